"""Uploaded files, from their arrival until they are read.

Gradio stores an upload under the hash of its content and the name of the visitor's file. Visitors
who send the same file would share it, and the first to remove it would take it from the others.
Here every upload gets a random name, and is removed once it is read or after some minutes.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import gradio as gr
from gradio.data_classes import ListFiles
from gradio.route_utils import upload_fn
from gradio.routes import file_upload_statuses
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from cxr_gradcam.imaging.radiograph import MAX_BYTES
from cxr_gradcam.web.component import OwnComponent

_MINUTE = 60
_RANDOM_NAME = re.compile("[0-9a-f]{32}")


class UploadField(gr.File, metaclass=OwnComponent):
    """The field that takes one file.

    Gradio combines files that arrive in quick succession to a list, which a field for one file
    refuses. So the field is made with `file_count="multiple"`, and the last file is used.
    """

    is_template = True  # the browser shows Gradio's own field

    def preprocess(self, payload: ListFiles | None) -> Path | None:  # type: ignore[override]
        """Return the path of the uploaded file, which `opened` then reads and removes."""
        files = [] if payload is None else payload.root
        return Path(files[-1].path) if files else None


class Uploads:
    """Receive uploads for a page.

    Args:
        max_waiting: greatest size of arriving and waiting files on disk, in bytes; above it,
            uploads are refused.
        seconds: how long an upload may take, and how long a file may wait to be read.
    """

    def __init__(self, max_waiting: int = 5 * MAX_BYTES, seconds: float = 5 * _MINUTE) -> None:
        self._max_waiting, self._seconds = max_waiting, seconds
        self._waiting: set[Path] = set()
        self._coming = 0  # stated size of running uploads, in bytes

    @property
    def routes(self) -> list[Route]:
        """The upload route, which replaces Gradio's own."""
        return [Route("/gradio_api/upload", self.receive, methods=["POST"])]

    async def receive(self, request: Request) -> Response:
        """Keep the files of a request, and answer with their paths, as Gradio does."""
        announced = request.headers.get("content-length", "")
        if not announced.isdecimal():  # the server reads no more than the stated length
            return PlainTextResponse("The size of the upload must be announced.", 411)
        if self._bytes_waiting() + int(announced) > self._max_waiting:
            return PlainTextResponse("Too many uploads are waiting. Try again soon.", 503)
        folder = Path(request.app.uploaded_file_dir)
        try:
            with self._reserved(int(announced)), _receiving(folder) as incoming:
                async with asyncio.timeout(self._seconds):
                    files = await _parse(request, incoming)
                return JSONResponse([str(self._keep(Path(file), folder)) for file in files])
        except MultiPartException as error:
            return PlainTextResponse(error.message, 413 if "size" in error.message else 400)
        except (TimeoutError, ClientDisconnect):
            return PlainTextResponse("The upload came incomplete.", 400)

    def take(self, path: str) -> Path | None:
        """Return the path of a waiting file; None if no file with this path waits."""
        kept = Path(path)
        return kept if kept in self._waiting else None

    def knows(self, sent: object) -> bool:
        """Return whether every file that a message names is a waiting upload.

        Gradio itself would download addresses, and accept any file in its folder.

        Args:
            sent: the message, parsed from JSON.
        """
        pending = [sent]
        while pending:
            value = pending.pop()
            if isinstance(value, list):
                pending += value
            elif isinstance(value, dict):
                pending += value.values()
                if "path" in value and self.take(str(value["path"])) is None:
                    return False
        return True

    def remove_left(self, folder: Path) -> None:
        """Remove uploads that a killed process has left in a folder.

        Uploads of a running process are newer, and other files have other names.
        """
        oldest = time.time() - 2 * self._seconds
        for left in folder.glob("*") if folder.is_dir() else ():
            with suppress(OSError):
                if _RANDOM_NAME.fullmatch(left.name) and left.stat().st_mtime < oldest:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()

    def clear(self) -> None:
        """Remove all waiting files."""
        for kept in list(self._waiting):
            self._drop(kept)

    def _keep(self, file: Path, folder: Path) -> Path:
        kept = file.rename(folder / token_hex(16))
        self._waiting.add(kept)
        asyncio.get_running_loop().call_later(self._seconds, self._drop, kept)
        return kept

    def _drop(self, kept: Path) -> None:
        kept.unlink(missing_ok=True)
        self._waiting.discard(kept)

    def _bytes_waiting(self) -> int:
        kept = sum(path.stat().st_size for path in self._waiting if path.exists())
        return kept + self._coming

    @contextmanager
    def _reserved(self, size: int) -> Iterator[None]:
        self._coming += size
        try:
            yield
        finally:
            self._coming -= size


@contextmanager
def _receiving(folder: Path) -> Iterator[Path]:
    """Make a folder for one request's files, and remove it with the request."""
    incoming = folder / token_hex(16)
    try:
        yield incoming
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


async def _parse(request: Request, incoming: Path) -> list[str]:
    upload_id = request.query_params.get("upload_id")
    progress = file_upload_statuses if upload_id else None
    files, _, _ = await upload_fn(request, incoming, MAX_BYTES, upload_id, upload_progress=progress)
    return list(files)
