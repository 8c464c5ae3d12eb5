"""Files of programs: what they send, and the pictures that they fetch."""

from __future__ import annotations

import asyncio
import shutil
import time
from base64 import b64decode
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

from gradio.utils import get_upload_folder
from PIL import Image

from cxr_gradcam.imaging.reading import read_bytes
from cxr_gradcam.imaging.rendering import RGBImage
from cxr_gradcam.web.api.arguments import ArgumentError
from cxr_gradcam.web.uploads import Uploads

KEPT_MINUTES = 5
"""How long the pictures of an answer wait to be fetched."""

_SERVED = "/gradio_api/file="
_MAX_BYTES = 1_000_000_000
_SWEEP = 30  # seconds


def received(value: object, uploads: Uploads) -> bytes:
    """Return the bytes of a file that a program sends; nothing of it stays on disk.

    Args:
        value: Gradio's description of an uploaded file, its path, the address of that path, a data
            URL, or base64.
        uploads: where uploads wait.

    Raises:
        ArgumentError: it is none of these, or no longer there.
        RadiographError: it is empty, or too large.
    """
    text = value.get("path") if isinstance(value, Mapping) else value
    if not isinstance(text, str):
        raise ArgumentError("file is missing: upload it first, and send what the upload answered")
    path = uploads.take(_path(text))
    if path is None:
        return _decoded(text)
    try:
        return read_bytes(path)
    finally:
        path.unlink(missing_ok=True)


def _path(text: str) -> str:
    """Return the path of an upload by itself, or out of its address."""
    return unquote(text.partition(_SERVED)[2]) if _SERVED in text else text


def _decoded(text: str) -> bytes:
    if urlsplit(text[:10]).scheme in ("http", "https"):
        raise ArgumentError(
            "file is an address, and this server fetches none: upload the file to it"
        )
    body = text.partition(",")[2] if text.startswith("data:") else text
    try:
        data = b64decode(body, validate=True)
    except ValueError:
        raise ArgumentError(
            "file is no upload that waits here (each can be used once, within minutes), "
            "and no base64"
        ) from None
    return read_bytes(data)


class PictureFiles:
    """Pictures as files that can be fetched for some minutes, under names that nobody can guess.

    Args:
        seconds: how long they stay.
        max_bytes: on disk; beyond, the oldest go first. The newest stay in any case.
    """

    def __init__(self, seconds: float = 60 * KEPT_MINUTES, max_bytes: int = _MAX_BYTES) -> None:
        self._seconds, self._max_bytes = seconds, max_bytes
        self._root = Path(get_upload_folder())
        self._kept: OrderedDict[Path, _Kept] = OrderedDict()
        self._lock = Lock()

    @asynccontextmanager
    async def sweeping(self) -> AsyncIterator[None]:
        """Remove pictures when their time is over, and all of them at the end."""
        sweep = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweep.cancel()
            self._remove(lambda _: True)

    def put(self, pictures: Mapping[str, RGBImage]) -> list[dict[str, Any]]:
        """Save the pictures of an answer as PNG, and return Gradio's descriptions of the files."""
        folder = self._root / token_hex(16)
        kept = _Kept(time.monotonic())
        with self._lock:
            self._kept[folder] = kept
        folder.mkdir(parents=True)
        described = []
        for name, picture in pictures.items():
            path = folder / f"{name}.png"
            Image.fromarray(picture).save(path, "PNG", compress_level=1)
            kept.size += path.stat().st_size
            described.append(_described(path))
        self._make_room(folder)
        return described

    def _make_room(self, newest: Path) -> None:
        spare = sum(kept.size for kept in self._kept.values()) - self._max_bytes
        for folder, kept in list(self._kept.items()):
            if spare > 0 and folder != newest:
                spare -= kept.size
                self._remove({folder}.__contains__)

    def _remove(self, is_wanted: Callable[[Path], bool]) -> None:
        with self._lock:
            folders = list(filter(is_wanted, self._kept))
            for folder in folders:
                del self._kept[folder]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(self._seconds, _SWEEP))
            self._remove(self._is_over)

    def _is_over(self, folder: Path) -> bool:
        return time.monotonic() - self._kept[folder].since >= self._seconds


@dataclass
class _Kept:
    since: float
    size: int = 0


def _described(path: Path) -> dict[str, Any]:
    return {
        "path": str(path),
        "url": f"{_SERVED}{path}",
        "orig_name": path.name,
        "mime_type": "image/png",
        "size": path.stat().st_size,
        "is_stream": False,
        "meta": {"_type": "gradio.FileData"},
    }
