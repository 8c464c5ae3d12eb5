"""Reading and decoding of files by several threads, ahead of the network and in order."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Literal

from torch import Tensor

from cxr_gradcam.batch.sources import Source
from cxr_gradcam.imaging.formats import has_known_format
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.models.classifier import Classifier

IsDone = Callable[[str, str], bool]
"""A function from a file's name and SHA-256 to whether it has been done before."""

READ_SECONDS: float = 300.0
"""Time limit for reading one file, so that a drive that does not answer does not block others."""

_MAX_THREADS = 8


@dataclass(frozen=True, eq=False)
class Loaded:
    """A file that was read, could not be read, or is skipped.

    Args:
        source: where the file is.
        sha256: hexadecimal digest of the file's bytes; None if they cannot be read.
        x: the network's input (1, C, H, W); None if the file is not explained.
        size: (H, W) of the radiograph in pixels.
        right_side: the side of the picture at which the patient's right is; None if the file does
            not state it.
        radiograph: the decoded radiograph, if pictures are saved.
        data: the file's bytes, if pictures are saved.
        error: why the file cannot be read; None if it can.
        skipped: why the file is not explained, "done before" or "no picture"; None otherwise.
    """

    source: Source
    sha256: str | None = None
    x: Tensor | None = None
    size: tuple[int, int] = (0, 0)
    right_side: Literal["left", "right"] | None = None
    radiograph: Radiograph | None = None
    data: bytes | None = None
    error: str | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class Loader:
    """Read files and prepare the inputs of a network.

    Args:
        model: the classifier that prepares the inputs.
        is_done: returns whether a file is skipped, by its name and SHA-256.
        keep: whether radiographs and bytes are kept, for pictures.
        ahead: the greatest number of files that wait for the network.
        threads: number of threads that read and decode; None for one per core, but at most eight.
    """

    model: Classifier
    is_done: IsDone
    keep: bool
    ahead: int
    threads: int | None = None

    def load_all(self, sources: Iterable[Source]) -> Iterator[Loaded]:
        """Yield the files in order, while the next ones are being read."""
        threads = self.threads or min(_MAX_THREADS, os.cpu_count() or 1)
        pool = ThreadPoolExecutor(threads, "decode")
        waiting: deque[Future[Loaded]] = deque()
        try:
            for source in sources:
                waiting.append(pool.submit(self.load, source))
                if len(waiting) > self.ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def load(self, source: Source) -> Loaded:
        """Read one file and prepare the network's input, or say why that is not possible."""
        try:
            data = _read_within(source, READ_SECONDS)
        except RadiographError as error:
            return Loaded(source, error=str(error))
        sha256 = hashlib.sha256(data).hexdigest()
        if self.is_done(source.name, sha256):
            return Loaded(source, sha256, skipped="done before")
        if not source.named and not has_known_format(data):
            return Loaded(source, sha256, skipped="no picture")
        try:
            radiograph = read_radiograph(data)
        except RadiographError as error:
            return Loaded(source, sha256, error=str(error))
        x, height, width = self.model.prepare(radiograph), *radiograph.pixels.shape
        loaded = Loaded(source, sha256, x, (height, width), radiograph.right_side)
        return replace(loaded, radiograph=radiograph, data=data) if self.keep else loaded


def _read_within(source: Source, seconds: float) -> bytes:
    """Read a file in a separate thread, which is abandoned after the time limit.

    Raises:
        RadiographError: the file cannot be read, or not within the time limit.
    """
    outcome: SimpleQueue[bytes | Exception] = SimpleQueue()

    def read() -> None:
        try:
            outcome.put(source.read())
        except Exception as error:
            outcome.put(error)

    Thread(target=read, daemon=True).start()
    try:
        data = outcome.get(timeout=seconds)
    except Empty:
        raise RadiographError(
            f"The file was not read within {seconds:g} seconds: the drive or network that holds it "
            "does not answer. Check it, and give the same command again."
        ) from None
    if isinstance(data, Exception):
        raise data
    return data


def in_batches(files: Iterable[Loaded], size: int) -> Iterator[list[Loaded]]:
    """Group files into batches.

    Args:
        files: the files in order.
        size: number of network inputs in a batch; the last batch may have fewer.

    Yields:
        Batches of files, in order. Files without an input (failed, skipped) do not count, but a
        batch ends after `4 * size` files at the latest, so that they are reported soon.
    """
    batch: list[Loaded] = []
    inputs = 0
    for file in files:
        batch.append(file)
        inputs += file.x is not None
        if inputs == size or len(batch) >= 4 * size:
            yield batch
            batch, inputs = [], 0
    if batch:
        yield batch
