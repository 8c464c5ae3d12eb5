"""Rows as lines of CSV or JSON."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Protocol


class TableError(ValueError):
    """A table cannot be read or written; the message says why, and what to do."""


class LineFormat(Protocol):
    """The conversion between rows and lines.

    Attributes:
        start: the first characters of every line.
    """

    start: str

    def header(self, columns: Sequence[str]) -> str:
        """Return the header line with its end of line; "" for a format without one."""
        ...

    def encode(self, row: Mapping[str, Any]) -> str:
        """Return a row as a line, with its end of line."""
        ...

    def decode(self, line: str, columns: Sequence[str]) -> dict[str, Any]:
        """Return the row of a line; values may be returned as text.

        Raises:
            ValueError: the line is not a row with these columns.
        """
        ...


# Some spreadsheets also accept the wide forms of East Asian keyboards.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


class CSV:
    """Comma-separated values (RFC 4180, with a bare line feed); an empty field is no value.

    A text that a spreadsheet would interpret as a formula is written with an apostrophe before it,
    which reading removes. A line feed in a text becomes a carriage return, so that a row is one
    line.
    """

    start = ""

    def header(self, columns: Sequence[str]) -> str:
        """Return the names of the columns."""
        return _csv_line(columns)

    def encode(self, row: Mapping[str, Any]) -> str:
        """Return the values, true and false in lower case as in JSON."""
        return _csv_line(map(_cell, row.values()))

    def decode(self, line: str, columns: Sequence[str]) -> dict[str, Any]:
        """Return the values as text."""
        (values,) = csv.reader([line], strict=True)
        return dict(zip(columns, map(_value, values), strict=True))


class JSONLines:
    """One JSON object a line."""

    start = '{"file": '

    def header(self, columns: Sequence[str]) -> str:  # noqa: ARG002 - every line names the columns
        """Return nothing."""
        return ""

    def encode(self, row: Mapping[str, Any]) -> str:
        """Return the row as an object."""
        return json.dumps(row, ensure_ascii=False) + "\n"

    def decode(self, line: str, columns: Sequence[str]) -> dict[str, Any]:
        """Return the object."""
        row = json.loads(line)
        if not isinstance(row, dict) or tuple(row) != tuple(columns):
            raise ValueError("other columns")
        return row


def read_rows(path: Path, lines: LineFormat, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table.

    Args:
        path: path of the file; an unfinished last line is not read.
        lines: the file's format.
        columns: the columns that the table must have.

    Raises:
        TableError: the file is not a table with these columns.
    """
    with path.open(encoding="utf-8", newline="\n") as file:
        try:
            yield from _decoded(file, lines, columns)
        except (ValueError, csv.Error):
            raise TableError(
                f"{path} is no table of this model's classes, or was changed: nothing was written "
                "to it. Name another --table, or move it away."
            ) from None


def _decoded(
    file: Iterable[str], lines: LineFormat, columns: Sequence[str]
) -> Iterator[dict[str, Any]]:
    texts, header = iter(file), lines.header(columns)
    if header and not _begins_like(next(texts, ""), header):
        raise ValueError("other columns")
    for text in texts:
        if text.endswith("\n"):
            yield lines.decode(text.rstrip("\r\n"), columns)
        elif not _begins_like(text, lines.start):
            raise ValueError("no row of ours")


def encode_all(lines: LineFormat, rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as the bytes of their lines."""
    return "".join(map(lines.encode, rows)).encode()


def _begins_like(line: str, start: str) -> bool:
    """Return whether a line, which may be incomplete, begins with `start`."""
    line = line.replace("\r", "")
    return line.startswith(start) or start.startswith(line)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = without_line_feeds(value)
    return f"'{text}" if _FORMULA.match(text) else text


def without_line_feeds(text: str) -> str:
    """Return a text without line feeds, for a line of a table."""
    return text.replace("\n", "\r")


def _value(cell: str) -> str | None:
    is_quoted = cell.startswith("'") and _FORMULA.match(cell)
    return (cell[1:] if is_quoted else cell) or None


def _csv_line(values: Iterable[object]) -> str:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(values)  # quotes cells with either character
    return buffer.getvalue().removesuffix("\r\n") + "\n"
