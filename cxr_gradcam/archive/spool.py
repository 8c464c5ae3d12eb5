"""What waits on disk: images to be explained, results to be sent; it survives a loss of power.

    waiting/KEY.dcm     an acknowledged image
    outgoing/KEY/       its results; each file goes when it has been sent
    completed/KE/KEY    an empty file: the image is done with
    failed/KEY.dcm      an image that could not be explained; tried again at the next start

A key tells nothing of the patient. Every step is a rename on one file system after the content has
been flushed to the disk, so that after a crash each image is in one of the first three.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pydicom.dataset import Dataset

from cxr_gradcam.archive.results import write_object

_PART = ".part"


class Spool:
    """A folder that only its owner can read, with what was received and not yet answered.

    One process at a time uses it; its threads may call all methods.

    Args:
        folder: made if it does not exist; what an earlier process left half done is cleared.
        configuration: names what answers: the same image is answered again by another.
    """

    def __init__(self, folder: Path, configuration: str) -> None:
        self.folder, self._configuration = folder, configuration
        self._waiting, self._outgoing = folder / "waiting", folder / "outgoing"
        self._completed, self._failed = folder / "completed", folder / "failed"
        for part in (folder, self._waiting, self._outgoing, self._completed, self._failed):
            part.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._recover()

    def key(self, sop_instance_uid: str) -> str:
        """Return the key of an image: a hash of its identifier and of what answers."""
        name = f"{sop_instance_uid} {self._configuration}"
        return hashlib.sha256(name.encode()).hexdigest()[:40]

    def contains(self, key: str) -> bool:
        """Return whether an image has been taken already, answered or not."""
        places = self._image(key), self._outgoing / key, self._mark(key), self._failed_image(key)
        return any(place.exists() for place in places)

    def put(self, key: str, data: bytes) -> None:
        """Take an image; when this returns, it is on the disk.

        Args:
            key: of the image.
            data: its file.

        Raises:
            OSError: it cannot be written; nothing of it is left.
        """
        partial = self._waiting / f"{key}-{os.urandom(4).hex()}{_PART}"
        try:
            with partial.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._image(key))
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        _sync(self._waiting)

    def waiting(self) -> list[str]:
        """Return the keys of the images to be explained, the one that came first in front."""
        images = [path for path in self._waiting.iterdir() if path.suffix == ".dcm"]
        ages = {path.stem: modified for path in images if (modified := _modified(path)) is not None}
        return sorted(ages, key=ages.__getitem__)

    def read(self, key: str) -> bytes:
        """Return the file of an image to be explained."""
        return self._image(key).read_bytes()

    def store_results(self, key: str, results: Mapping[str, Dataset]) -> None:
        """Put the results of an image in its place, all or none.

        Args:
            key: of the image.
            results: the objects, in the order in which they are to be sent.

        Raises:
            OSError: they cannot be written; the image waits on.
        """
        partial = self._outgoing / f"{key}{_PART}"
        partial.mkdir(mode=0o700)
        try:
            for number, dataset in enumerate(results.values()):
                write_object(partial / f"{number}.dcm", dataset)
            _sync(partial)
            partial.replace(self._outgoing / key)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _sync(self._outgoing)
        self._image(key).unlink()

    def discard(self, key: str) -> None:
        """Be done with an image that is none to be explained."""
        self._set_mark(key)
        self._image(key).unlink()

    def set_aside(self, key: str) -> None:
        """Set an image aside that could not be explained."""
        self._image(key).replace(self._failed_image(key))

    def outgoing(self) -> dict[str, list[Path]]:
        """Return the files to be sent, by the key of their image; each image's in their order."""
        folders = [path for path in self._outgoing.iterdir() if not path.suffix]
        return {path.name: files for path in sorted(folders) if (files := _files(path))}

    def mark_sent(self, key: str, path: Path) -> None:
        """Forget a file that has been sent; with the last one its image is answered."""
        folder = self._outgoing / key
        if [*folder.iterdir()] == [path]:
            self._set_mark(key)
        path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()

    def size(self) -> int:
        """Return how many bytes wait to be explained or sent, or were set aside."""
        total = 0
        for place in (self._waiting, self._outgoing, self._failed):
            for folder, _, names in os.walk(place):
                total += sum(_size(Path(folder, name)) for name in names)
        return total

    def _recover(self) -> None:
        for partial in [*self._waiting.glob(f"*{_PART}"), *self._outgoing.glob(f"*{_PART}")]:
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
        for image in self._failed.iterdir():
            image.replace(self._waiting / image.name)
        for folder in self._outgoing.iterdir():
            # Stopped between the two steps of `store_results` or of `mark_sent`
            self._image(folder.name).unlink(missing_ok=True)
            if self._mark(folder.name).exists():
                shutil.rmtree(folder)

    def _image(self, key: str) -> Path:
        return self._waiting / f"{key}.dcm"

    def _failed_image(self, key: str) -> Path:
        return self._failed / f"{key}.dcm"

    def _set_mark(self, key: str) -> None:
        mark = self._mark(key)
        mark.parent.mkdir(exist_ok=True, mode=0o700)
        mark.touch()
        _sync(mark.parent)

    def _mark(self, key: str) -> Path:
        return self._completed / key[:2] / key


def _modified(path: Path) -> int | None:
    """Return when a file was written, in nanoseconds; None where another thread has removed it."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder; none where another thread has removed it."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another thread has removed it
        return 0


def _sync(folder: Path) -> None:
    """Flush the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
