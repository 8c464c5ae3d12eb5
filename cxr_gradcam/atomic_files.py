"""Write files completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def atomic_files(*paths: Path) -> Iterator[list[Path]]:
    """Let files be written under temporary names, and rename them when all are written.

    After an exception none of the files is created or changed.

    Args:
        paths: paths of the files; their folders must exist.

    Yields:
        A temporary path for each file, in the same folder. Its name is random, since other
        processes may write the same file.

    Raises:
        OSError: a file cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "figures.txt"
        >>> with atomic_files(path) as [partial]:
        ...     _ = partial.write_text("0.93")
        >>> path.read_text()
        '0.93'
    """
    partials = [path.with_name(f".{uuid4().hex}.part") for path in paths]
    try:
        yield partials
        for partial in partials:
            _flush_to_disk(partial)
        for partial, path in zip(partials, paths, strict=True):
            partial.replace(path)
    finally:
        for partial in partials:
            partial.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
