"""A table of results that grows batch by batch, and that a later run continues."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from cxr_gradcam.atomic_files import atomic_files
from cxr_gradcam.batch import parquet
from cxr_gradcam.batch.analysis import Analysis
from cxr_gradcam.batch.lines import (
    CSV,
    JSONLines,
    LineFormat,
    TableError,
    encode_all,
    read_rows,
    without_line_feeds,
)
from cxr_gradcam.extras import require

FORMATS: dict[str, type[LineFormat]] = {".csv": CSV, ".jsonl": JSONLines, ".parquet": JSONLines}
"""The format of rows by the table's extension; Parquet's rows are collected as JSON lines."""

COLLECTING = ".part"
"""The ending of a Parquet table's name while its rows are collected."""


class Table:
    """A table with one row per file and analysis; rows of other analyses are kept.

    Rows are appended to CSV and JSON lines directly. Parquet files cannot be appended to: their
    rows are collected as JSON lines in a file beside it, which exists until the table is closed.

    Args:
        path: a path ending in .csv, .jsonl or .parquet; existing rows are kept.
        analysis: the question and the model of this run.
        with_outputs: whether files whose pictures are missing are done again.

    Raises:
        TableError: the path has another ending, the file is not a table with these columns, or it
            cannot be written; nothing is changed.
    """

    def __init__(self, path: Path, analysis: Analysis, *, with_outputs: bool = False) -> None:
        self.path, self.analysis = path, analysis
        self._lines = _format_of(path)
        self._columns = tuple(analysis.columns)
        self._is_parquet = path.suffix.lower() == ".parquet"
        self._at = Path(f"{path}{COLLECTING}") if self._is_parquet else path
        self._done: dict[str, str] = {}
        self._rows = self._replaced = 0
        self._known: set[str] = set()
        if path.exists() and not path.is_file():
            raise TableError(f"{path} is no file: name another --table")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._is_parquet:
                self._collect()
            self._file: FileIO = self._at.open("a+b", buffering=0)
        except OSError as error:
            raise TableError(
                f"{path} cannot be written: {error.strerror or type(error).__name__}. Name another "
                "--table, in a folder that you may write to."
            ) from error
        try:
            _lock(self._file, path)
            self._look_through(with_outputs=with_outputs)  # first: refuses other files
            _cut_unfinished(self._file)
            if self._file.tell() == 0:
                _write(self._file, self._lines.header(self._columns).encode())
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Table:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows - self._replaced

    def known(self, file: str) -> str | None:
        """Return the SHA-256 that a file had when it was explained, or None."""
        return self._done.get(without_line_feeds(file))

    def has(self, file: str, sha256: str) -> bool:
        """Return whether a file has a row of this analysis without an error.

        Args:
            file: the file's name.
            sha256: digest of the file's present bytes.
        """
        return self.known(file) == sha256

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows, all or none.

        Args:
            rows: as `Analysis.row` makes them.

        Raises:
            TableError: the rows cannot be written, e.g. on a full disk.
        """
        size = self._file.seek(0, os.SEEK_END)
        try:
            _write(self._file, encode_all(self._lines, rows))
        except OSError as error:
            with suppress(OSError):  # a device cannot be truncated
                self._file.truncate(size)
            raise TableError(_unwritten(self.path, error)) from error
        for row in rows:
            self._count(row)

    def close(self) -> None:
        """Keep the last row of each file and analysis, and write Parquet.

        Raises:
            TableError: the table cannot be written; the collected rows are kept.
        """
        if self._file.closed:
            return
        with self._file:
            try:
                os.fsync(self._file.fileno())
                if os.name == "nt":
                    self._file.close()  # Windows cannot replace an open file
                if self._is_parquet:
                    self._write_parquet()
                elif self._replaced:
                    self._rewrite()
            except OSError as error:
                raise TableError(_unwritten(self.path, error)) from error

    def _collect(self) -> None:
        """Begin with the rows of an earlier, completed run."""
        require("batch", "Parquet")
        if self.path.exists() and not self._at.exists():
            with atomic_files(self._at) as [partial], partial.open("wb") as file:
                for rows in parquet.read(self.path, self.analysis.columns):
                    file.write(encode_all(self._lines, rows))

    def _read(self) -> Iterator[dict[str, Any]]:
        return read_rows(self._at, self._lines, self._columns)

    def _look_through(self, *, with_outputs: bool) -> None:
        for row in self._read():
            self._count(row)
            if row["analysis"] == self.analysis.identity:
                file = without_line_feeds(row["file"])
                self._done.pop(file, None)
                if not row["error"] and (not with_outputs or _outputs_exist(row["outputs"])):
                    self._done[file] = row["sha256"]

    def _count(self, row: Mapping[str, Any]) -> None:
        key = f"{row['analysis']} {without_line_feeds(row['file'])}"
        self._rows += 1
        self._replaced += key in self._known
        self._known.add(key)

    def _latest(self) -> Iterator[dict[str, Any]]:
        """Yield the last row of each file and analysis."""
        last = {(row["analysis"], row["file"]): number for number, row in enumerate(self._read())}
        for number, row in enumerate(self._read()):
            if last[row["analysis"], row["file"]] == number:
                yield row

    def _rewrite(self) -> None:
        with atomic_files(self.path) as [partial], partial.open("wb") as file:
            file.write(self._lines.header(self._columns).encode())
            for row in self._latest():
                file.write(self._lines.encode(row).encode())

    def _write_parquet(self) -> None:
        with atomic_files(self.path) as [partial], partial.open("wb") as file:
            parquet.write(file, self._latest(), self.analysis.columns)
        self._at.unlink()


def _format_of(path: Path) -> LineFormat:
    try:
        return FORMATS[path.suffix.lower()]()
    except KeyError:
        raise TableError(
            f"{path} is no name of a table: let it end in {', '.join(FORMATS)}"
        ) from None


def _outputs_exist(outputs: str | None) -> bool:
    return bool(outputs) and all(Path(path).exists() for path in json.loads(str(outputs)).values())


def _write(file: FileIO, data: bytes) -> None:
    """Write all bytes; on a nearly full disk, one call may write only a part of them."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _cut_unfinished(file: FileIO) -> None:
    """Truncate a file after its last end of line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        file.seek(start)
        if (found := file.read(end - start).rfind(b"\n")) >= 0:
            start += found + 1
            break
        end = start
    else:
        start = 0
    file.truncate(start)
    file.seek(0, os.SEEK_END)


def _lock(file: FileIO, path: Path) -> None:
    """Lock the file against other processes until it is closed."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TableError(
            f"{path} is being written by another process: wait for its end, or name another --table"
        ) from None
    except OSError:  # a file system without locks
        return


def _unwritten(path: Path, error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return (
        f"{path} cannot be written: {reason}. What it holds is whole. Make room and give the same "
        "command again: it does what is missing."
    )
