"""Instances that wait on disk to be explained, and results that wait to be sent.

    waiting/KEY.dcm     an acknowledged instance that is not explained yet
    outgoing/KEY/       the results of an instance; a file is removed when it has been sent
    completed/KE/KEY    an empty file: the instance is explained and its results are sent
    failed/KEY.dcm      an instance that could not be explained; the next start tries it again
    lock                held by the process that uses the folder

A key is a hash and reveals nothing about the patient. A file is flushed to the disk before it is
renamed, so that after a power failure an instance is still in one of these folders.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock, Timeout
from pydicom.dataset import Dataset

from cxr_gradcam.archive.results import write_object
from cxr_gradcam.atomic_files import atomic_files

_PART = ".part"


class Spool:
    """A folder with waiting instances and results, which only its owner can read.

    One process at a time can use the folder; all methods may be called by any thread.

    Args:
        folder: the folder; it is made if it does not exist. Unfinished files of an earlier process
            are removed.
        configuration: text that identifies weights and question. An instance that was explained
            under one configuration is explained again under another.

    Raises:
        ValueError: another process uses the folder.
        OSError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path, configuration: str) -> None:
        self.folder, self._configuration = folder, configuration
        self._waiting, self._outgoing = folder / "waiting", folder / "outgoing"
        self._completed, self._failed = folder / "completed", folder / "failed"
        for part in (folder, self._waiting, self._outgoing, self._completed, self._failed):
            part.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FileLock(folder / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(
                f"another node uses the spool {folder}: end that node, or name another folder by "
                "--spool"
            ) from None
        self._recover()

    def close(self) -> None:
        """Release the folder for other processes."""
        self._lock.release()

    def key(self, sop_instance_uid: str) -> str:
        """Return the key of an instance: a hash of its UID and of the configuration."""
        name = f"{sop_instance_uid} {self._configuration}"
        return hashlib.sha256(name.encode()).hexdigest()[:40]

    def contains(self, key: str) -> bool:
        """Return whether an instance has been received before, explained or not."""
        places = self._image(key), self._outgoing / key, self._mark(key), self._failed_image(key)
        return any(place.exists() for place in places)

    def put(self, key: str, data: bytes) -> None:
        """Store an instance to be explained; it is on the disk when this method returns.

        Args:
            key: the key of the instance.
            data: the DICOM file of the instance.

        Raises:
            OSError: the file cannot be written; no part of it is left.
        """
        with atomic_files(self._image(key)) as [partial]:
            partial.write_bytes(data)
        _sync(self._waiting)

    def waiting(self) -> list[str]:
        """Return the keys of the instances to be explained, in the order in which they came."""
        images = [path for path in self._waiting.iterdir() if path.suffix == ".dcm"]
        ages = {path.stem: modified for path in images if (modified := _modified(path)) is not None}
        return sorted(ages, key=ages.__getitem__)

    def read(self, key: str) -> bytes:
        """Return the DICOM file of an instance to be explained."""
        return self._image(key).read_bytes()

    def store_results(self, key: str, results: Mapping[str, Dataset]) -> None:
        """Replace an instance by its results, all of them or none.

        Args:
            key: the key of the instance.
            results: {kind: object}, in the order in which the objects are to be sent.

        Raises:
            OSError: a result cannot be written; the instance remains waiting.
        """
        partial = self._outgoing / f"{key}{_PART}"
        shutil.rmtree(partial, ignore_errors=True)
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
        """Remove an instance that cannot be explained by any model, and remember its key."""
        self._set_mark(key)
        self._image(key).unlink()

    def set_aside(self, key: str) -> None:
        """Keep an instance that could not be explained until the next start."""
        self._image(key).replace(self._failed_image(key))

    def outgoing(self) -> dict[str, list[Path]]:
        """Return {key: files to be sent, in their order} of the instances that are explained."""
        folders = [path for path in self._outgoing.iterdir() if not path.suffix]
        return {path.name: files for path in sorted(folders) if (files := _files(path))}

    def mark_sent(self, key: str, path: Path) -> None:
        """Remove a file that has been sent; the last one completes its instance."""
        folder = self._outgoing / key
        if [*folder.iterdir()] == [path]:
            self._set_mark(key)
        path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()

    def size(self) -> int:
        """Return the size of all instances and results in the folder, in bytes."""
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
            # The process ended between the two steps of `store_results` or of `mark_sent`
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
    """Return when a file was written, in nanoseconds; None if another thread removed it."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder; none if another thread removed it."""
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
