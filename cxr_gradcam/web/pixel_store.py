"""Pixels on their way to the browser: as bytes, since a picture in JSON costs ten times as long."""

from __future__ import annotations

import gzip
from ipaddress import ip_address

import numpy as np
from numpy.typing import NDArray
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cxr_gradcam.imaging.radiograph import MAX_PIXELS
from cxr_gradcam.web.held import Held

_BUDGET = 6 * MAX_PIXELS  # bytes: two of the largest pictures, each of 16 bits and with a map


class PixelStore:
    """Holds arrays until they are fetched, each once, under names that nobody can guess.

    What nobody fetches goes after minutes, or when newer arrays need its place.

    Args:
        budget: bytes held at most; the newest array is held in any case.
    """

    def __init__(self, budget: int = _BUDGET) -> None:
        self.held = Held[bytes](len, budget)

    @property
    def routes(self) -> list[Route]:
        """The route under which the browser fetches an array."""
        return [Route("/pixels/{name}", self.send)]

    def put(self, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> dict[str, object]:
        """Hold an array (H, W).

        Returns:
            What the browser must know: name, width, height and bits per pixel.
        """
        height, width = pixels.shape
        little_endian = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
        name = self.held.put(little_endian.tobytes())
        return {"name": name, "width": width, "height": height, "bits": 8 * pixels.itemsize}

    def send(self, request: Request) -> Response:
        """Send an array and forget it; packed unless it stays on this machine."""
        name = request.path_params["name"]
        data = self.held.get(name)
        if data is None:
            return Response(status_code=404)
        headers = {"Cache-Control": "no-store"}
        if not _is_local(request):
            data, headers["Content-Encoding"] = gzip.compress(data, 1), "gzip"
        done = BackgroundTask(self.held.drop, name)
        return Response(data, 200, headers, "application/octet-stream", done)


def _is_local(request: Request) -> bool:
    try:
        # A proxy on this machine sends for somebody else.
        is_forwarded = "x-forwarded-for" in request.headers
        return not is_forwarded and ip_address(request.client.host).is_loopback  # type: ignore[union-attr]
    except (AttributeError, ValueError):
        return False
