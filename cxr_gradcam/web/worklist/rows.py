"""The rows of a worklist: each file is received and answered separately, and not kept."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import anyio
import anyio.to_thread
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cxr_gradcam.explanation import examine
from cxr_gradcam.explanation.records import worklist_record
from cxr_gradcam.imaging.formats import has_known_format
from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.imaging.radiograph import MAX_BYTES, RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.failures import reason

_THREADS = 2  # one file is decoded while the network runs on another
_MAX_WAITING = 64
_MINUTES = 5 * 60
_THUMBNAIL = 128


class Rows:
    """Answer the files of all visitors' worklists, without keeping them.

    Args:
        models: the models by name, the first as default; with Grad-CAM enabled.
        max_bytes: greatest size of the files in memory, including arriving ones; above it, a file
            is refused for now, unless it is the only one.
    """

    def __init__(self, models: Mapping[str, Classifier], max_bytes: int = MAX_BYTES) -> None:
        self._models, self._max_bytes = models, max_bytes
        self._waiting: list[int] = []
        self._threads = anyio.CapacityLimiter(_THREADS)

    @property
    def routes(self) -> list[Route]:
        """The route to which the browser sends a file, as the body of a request."""
        return [Route("/worklist/row", self.answer, methods=["POST"])]

    async def answer(self, request: Request) -> Response:
        """Answer a file with its row.

        Args:
            request: the body is the file, `model` names the model; `named=false` means that the
                user did not choose this file itself.

        Returns:
            JSON: the result of `row`, {"error"} if the file cannot be read, or {"skipped"} if it is
            not a picture and was not chosen itself. Status 503 if it should be sent again later.
        """
        announced = request.headers.get("content-length", "")
        if not announced.isdecimal():
            return PlainTextResponse("The size of the file must be announced.", 411)
        model = self._models.get(request.query_params.get("model") or next(iter(self._models)))
        if model is None:
            return PlainTextResponse("There is no model of this name.", 404)
        size = int(announced)
        if size > MAX_BYTES:
            return JSONResponse({"error": f"The file is larger than {MAX_BYTES:,} bytes."}, 413)
        if not self._has_room(size):
            return PlainTextResponse("Others are waiting.", 503, {"Retry-After": "1"})
        named = request.query_params.get("named") != "false"
        with self._reserved(size):
            try:
                async with asyncio.timeout(_MINUTES):
                    data = await _body(request, size)
            except (TimeoutError, ClientDisconnect):
                return PlainTextResponse("The file came incomplete.", 400)
            except RadiographError as error:
                return JSONResponse({"error": str(error)}, 413)
            work = anyio.to_thread.run_sync(_answer, model, data, named, limiter=self._threads)
            return JSONResponse(await work)

    def _has_room(self, size: int) -> bool:
        if not self._waiting:
            return True
        return len(self._waiting) < _MAX_WAITING and sum(self._waiting) + size <= self._max_bytes

    @contextmanager
    def _reserved(self, size: int) -> Iterator[None]:
        self._waiting.append(size)
        try:
            yield
        finally:
            self._waiting.remove(size)


def _answer(model: Classifier, data: bytes, named: bool) -> dict[str, Any]:
    if not named and not has_known_format(data):
        return {"skipped": "no picture"}
    try:
        return row(model, data)
    except RadiographError as error:
        return {"error": str(error)}
    except Exception as error:  # any error; the other files are still answered
        return {"error": reason(error)}


def row(model: Classifier, data: bytes) -> dict[str, Any]:
    """Return the `worklist_record` of a file.

    Args:
        model: a model with Grad-CAM enabled.
        data: the file's bytes.

    Raises:
        RadiographError: the file cannot be read.
    """
    radiograph = read_radiograph(data)
    prediction = examine(model, radiograph).prediction
    return worklist_record(prediction, thumbnail(radiograph.pixels))


def thumbnail(pixels: NDArray[np.float32]) -> str:
    """Return a picture (H, W) in [0, 1], at most 128 pixels wide and high, as a WebP data URL."""
    height, width = pixels.shape
    shrunk = min(1, _THUMBNAIL / max(height, width))
    size = max(1, round(width * shrunk)), max(1, round(height * shrunk))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    packed = BytesIO()
    Image.fromarray(quantize(np.clip(small, 0, 1))).save(packed, "WEBP", quality=70)
    return f"data:image/webp;base64,{b64encode(packed.getvalue()).decode('ascii')}"


async def _body(request: Request, size: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > size:
            raise RadiographError("The file arrived damaged: open it again.")
    return bytes(data)
