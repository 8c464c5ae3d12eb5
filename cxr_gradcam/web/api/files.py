"""Files of programs: received files, and pictures to be fetched."""

from __future__ import annotations

import re
import shutil
from base64 import b64decode
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import unquote, urlsplit

from gradio.utils import get_upload_folder
from PIL import Image

from cxr_gradcam.imaging.reading import read_bytes
from cxr_gradcam.imaging.rendering import RGBImage
from cxr_gradcam.web.api.arguments import ArgumentError
from cxr_gradcam.web.expiring_store import ExpiringStore
from cxr_gradcam.web.uploads import Uploads

KEPT_MINUTES = 5
"""How long the pictures of an answer are kept to be fetched."""

_SERVED = "/gradio_api/file="
_UPLOAD = re.compile(r"/[0-9a-f]{32}$")
_MAX_BYTES = 1_000_000_000


def received(value: object, uploads: Uploads) -> bytes:
    """Return the bytes of a file that a program sends, and remove it from disk.

    Args:
        value: Gradio's description of an uploaded file, its path, the address of that path, a data
            URL, or base64.
        uploads: the store of uploads.

    Raises:
        ArgumentError: the value is none of these, or the upload no longer exists.
        RadiographError: the file is empty, or too large.
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
    """Return the path of an upload, from the path itself or from its address."""
    return unquote(text.partition(_SERVED)[2]) if _SERVED in text else text


def _decoded(text: str) -> bytes:
    if _UPLOAD.search(text):
        raise ArgumentError(
            "file is an upload that is no longer here: each can be used once, within minutes. "
            "Upload it again"
        )
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
        seconds: how long pictures are kept.
        max_bytes: greatest size on disk; above it, the oldest are removed first. The newest are
            always kept.
    """

    def __init__(self, seconds: float = 60 * KEPT_MINUTES, max_bytes: int = _MAX_BYTES) -> None:
        self._root = Path(get_upload_folder())
        remove = partial(shutil.rmtree, ignore_errors=True)
        self.store = ExpiringStore[Path](_bytes_in, max_bytes, seconds, remove)

    def put(self, pictures: Mapping[str, RGBImage]) -> list[dict[str, Any]]:
        """Save the pictures of an answer as PNG, and return Gradio's descriptions of the files."""
        folder = self._root / token_hex(16)
        folder.mkdir(parents=True)
        for name, picture in pictures.items():
            Image.fromarray(picture).save(folder / f"{name}.png", "PNG", compress_level=1)
        self.store.put(folder)
        return [_described(folder / f"{name}.png") for name in pictures]


def _bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


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
