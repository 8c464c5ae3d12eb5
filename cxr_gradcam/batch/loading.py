"""Reading and decoding ahead of the network, by several threads, in the order of the files."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

from torch import Tensor

from cxr_gradcam.batch.sources import Source
from cxr_gradcam.imaging.formats import has_known_format
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.models.classifier import Classifier

IsDone = Callable[[str, str], bool]
"""Whether a file, by its name and the SHA-256 of its bytes, has been done before."""

READ_SECONDS: float = 300.0
"""How long the bytes of one file may take to come; a drive that does not answer holds no others."""

_MAX_THREADS = 8


@dataclass(frozen=True, eq=False)
class Loaded:
    """A file that was read.

    Args:
        source: where it is.
        sha256: of its bytes; None where they cannot be read.
        x: the network's input (1, C, H, W); None where there is nothing to ask the network.
        size: (H, W) of the radiograph.
        radiograph: itself, where pictures are drawn.
        data: its bytes, where results are made from them.
        error: why it cannot be read.
        skipped: why it need not be.
    """

    source: Source
    sha256: str | None = None
    x: Tensor | None = None
    size: tuple[int, int] = (0, 0)
    radiograph: Radiograph | None = None
    data: bytes | None = None
    error: str | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class Loader:
    """Turns files into inputs of a network.

    Args:
        model: whose inputs.
        is_done: which files are not decoded.
        keep: keep radiographs and bytes, for pictures.
        ahead: how many files may wait for the network.
        threads: that read and decode; None for one per core, and eight at most.
    """

    model: Classifier
    is_done: IsDone
    keep: bool
    ahead: int
    threads: int | None = None

    def load_all(self, sources: Iterable[Source]) -> Iterator[Loaded]:
        """Yield the files in their order, while the next ones are being read."""
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
        """Read one file and make the network's input of it, or say why not."""
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
        if not self.keep:
            return Loaded(source, sha256, x, (height, width))
        return Loaded(source, sha256, x, (height, width), radiograph, data)


def _read_within(source: Source, seconds: float) -> bytes:
    """Read a file in a thread of its own, which is left behind where the file never comes.

    Raises:
        RadiographError: the file cannot be read, or not in this time.
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
    """Group files so that each batch has so many inputs for the network, or fewer at the end.

    Args:
        files: in their order; those without an input count for nothing.
        size: inputs in a batch.

    Yields:
        Batches; a run of files without input is not held back for long.
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
