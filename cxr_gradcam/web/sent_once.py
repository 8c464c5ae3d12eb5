"""Pixels and files on their way to the browser: kept in memory, and sent once."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from ipaddress import ip_address

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cxr_gradcam.imaging.radiograph import MAX_PIXELS
from cxr_gradcam.web.expiring_store import ExpiringStore

_MAX_FILES = 200_000_000  # bytes
_MAX_PIXELS = 6 * MAX_PIXELS  # bytes: two of the largest radiographs of 16 bits, each with a map


@dataclass(frozen=True)
class Content:
    """What is sent.

    Attributes:
        data: the bytes.
        media_type: as HTTP names it.
        headers: of the answer, beside the media type.
        is_packed: whether the bytes are sent as gzip where they leave this machine.
    """

    data: bytes
    media_type: str
    headers: dict[str, str] = field(default_factory=dict)
    is_packed: bool = False


def download(data: bytes, file_name: str, media_type: str) -> Content:
    """Return a file that the browser saves; nothing of the patient stands in its name."""
    disposition = f'attachment; filename="{file_name}"'
    return Content(data, media_type, {"Content-Disposition": disposition})


class SentOnce:
    """Keeps contents for minutes until they are fetched, each once, under unguessable names.

    Args:
        prefix: the first part of their addresses.
        max_bytes: kept at most; the newest content is kept in any case.
    """

    def __init__(self, prefix: str, max_bytes: int = _MAX_FILES) -> None:
        self._prefix = prefix
        self.store = ExpiringStore[Content](lambda content: len(content.data), max_bytes)

    @property
    def routes(self) -> list[Route]:
        """The route under which the browser fetches a content."""
        return [Route(f"/{self._prefix}/{{name}}", self.send)]

    def put(self, content: Content) -> str:
        """Keep a content, and return its name."""
        return self.store.put(content)

    def fetch_after(self, event: gr.events.Dependency, name: gr.Textbox) -> None:
        """Let the browser save the content whose name an event has put into a text box."""
        event.then(
            None,
            name,
            None,
            js=f"""(name) => {{
              if (!name) return;
              const link = document.createElement("a");
              link.href = new URL(`{self._prefix}/${{name}}`, document.baseURI);
              link.download = "";
              link.click();
            }}""",
        )

    def send(self, request: Request) -> Response:
        """Send a content and forget it."""
        name = request.path_params["name"]
        content = self.store.get(name)
        if content is None:
            return Response(status_code=404)
        data, headers = content.data, content.headers | {"Cache-Control": "no-store"}
        if content.is_packed and not _is_local(request):
            data, headers["Content-Encoding"] = gzip.compress(data, 1), "gzip"
        sent = BackgroundTask(self.store.remove, name)
        return Response(data, 200, headers, content.media_type, sent)


class PixelStore(SentOnce):
    """Sends arrays as bytes, since a picture in JSON takes ten times as long.

    Args:
        max_bytes: kept at most; the newest array is kept in any case.
    """

    def __init__(self, max_bytes: int = _MAX_PIXELS) -> None:
        super().__init__("pixels", max_bytes)

    def announce(self, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> dict[str, object]:
        """Keep an array (H, W).

        Returns:
            What the browser must know: name, width, height and bits per pixel.
        """
        height, width = pixels.shape
        little_endian = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
        content = Content(little_endian.tobytes(), "application/octet-stream", is_packed=True)
        name = self.put(content)
        return {"name": name, "width": width, "height": height, "bits": 8 * pixels.itemsize}


def _is_local(request: Request) -> bool:
    try:
        # A proxy on this machine sends for somebody else.
        is_forwarded = "x-forwarded-for" in request.headers
        return not is_forwarded and ip_address(request.client.host).is_loopback  # type: ignore[union-attr]
    except (AttributeError, ValueError):
        return False
