"""Pixels and files for the browser: kept in memory, and sent once."""

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
    """A content to send.

    Attributes:
        data: the bytes.
        media_type: the HTTP media type.
        headers: further headers of the response.
        is_packed: whether the bytes are sent as gzip to other machines.
    """

    data: bytes
    media_type: str
    headers: dict[str, str] = field(default_factory=dict)
    is_packed: bool = False


def download(data: bytes, file_name: str, media_type: str) -> Content:
    """Return a file for the browser to save; its name contains no patient data."""
    disposition = f'attachment; filename="{file_name}"'
    return Content(data, media_type, {"Content-Disposition": disposition})


class SentOnce:
    """Keep contents for minutes until they are fetched, each once, under unguessable names.

    Args:
        prefix: the first part of the contents' addresses.
        max_bytes: greatest total size; the newest content is always kept.
    """

    def __init__(self, prefix: str, max_bytes: int = _MAX_FILES) -> None:
        self._prefix = prefix
        self.store = ExpiringStore[Content](lambda content: len(content.data), max_bytes)

    @property
    def routes(self) -> list[Route]:
        """The route for fetching a content."""
        return [Route(f"/{self._prefix}/{{name}}", self.send)]

    def put(self, content: Content) -> str:
        """Keep a content, and return its name."""
        return self.store.put(content)

    def fetch_after(self, event: gr.events.Dependency, name: gr.Textbox) -> None:
        """Make the browser save the content whose name an event has put into a text box."""
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
        """Send a content and remove it."""
        name = request.path_params["name"]
        content = self.store.get(name)
        if content is None:
            return Response(status_code=404)
        data, headers = content.data, content.headers | {"Cache-Control": "no-store"}
        if content.is_packed and _is_local(request):
            # Keeps middleware from packing: on one machine it takes longer than sending.
            headers["Content-Encoding"] = "identity"
        elif content.is_packed:
            data, headers["Content-Encoding"] = gzip.compress(data, 1), "gzip"
        sent = BackgroundTask(self.store.remove, name)
        return Response(data, 200, headers, content.media_type, sent)


class PixelStore(SentOnce):
    """Send arrays as bytes, since a picture in JSON takes ten times as long.

    Args:
        max_bytes: greatest total size; the newest array is always kept.
    """

    def __init__(self, max_bytes: int = _MAX_PIXELS) -> None:
        super().__init__("pixels", max_bytes)

    def announce(self, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> dict[str, object]:
        """Keep an array (H, W).

        Returns:
            Data for the browser: name, width, height and bits per pixel.
        """
        height, width = pixels.shape
        little_endian = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
        content = Content(little_endian.tobytes(), "application/octet-stream", is_packed=True)
        name = self.put(content)
        return {"name": name, "width": width, "height": height, "bits": 8 * pixels.itemsize}


def _is_local(request: Request) -> bool:
    try:
        # A proxy on this machine acts for another machine.
        is_forwarded = "x-forwarded-for" in request.headers
        return not is_forwarded and ip_address(request.client.host).is_loopback  # type: ignore[union-attr]
    except (AttributeError, ValueError):
        return False
