"""Reads: what radiologists saw on radiographs, with projection and age."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FINDING, NORMAL = "lung opacity", "normal"
"""The two reads that say whether the finding is there; any other read is another finding."""
AGES = (40, 60)
"""Where an age group ends and the next begins, in years."""
AGE_GROUPS = ("under 40", "40 to 59", "60 and older")


@dataclass(frozen=True)
class Read:
    """A row of a table about one radiograph.

    Attributes:
        words: what was read; "" where nobody read the radiograph; None where the table has no
            column of reads, so that the class folder says the class.
        age: the patient's age in years; None where it is not known.
        view: the projection, "AP" or "PA"; "" where it is not known.
    """

    words: str | None = None
    age: int | None = None
    view: str = ""

    @property
    def finding(self) -> bool | None:
        """Whether the finding was read; None for another finding, or where there is no read."""
        return {FINDING: True, NORMAL: False}.get(self.words or "")

    @property
    def age_group(self) -> str:
        """The name of the age group; "" where the age is not known."""
        return "" if self.age is None else AGE_GROUPS[sum(self.age >= bound for bound in AGES)]


Reads = Mapping[Path, Read]
"""Rows by the path of the radiograph, without its class folder where the table leaves it out."""


@contextmanager
def open_table(table: Path) -> Iterator[csv.DictReader[str]]:
    """Open a CSV whose first line names its columns, between commas, semicolons or tabs.

    Args:
        table: the file, in UTF-8.

    Yields:
        A reader of the rows.

    Raises:
        ValueError: the file is no CSV in UTF-8.
        OSError: the file cannot be opened.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            yield csv.DictReader(file, delimiter=max(",;\t", key=first.count))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{table} is no CSV file in UTF-8 ({error}): save it as CSV UTF-8"
        ) from error


def load_reads(tables: Sequence[Path]) -> Reads:
    """Read tables of reads.

    Args:
        tables: CSV files with the column `image`: the path of a radiograph below the table's own
            folder, with or without the class folder. The columns `read`, `age` and `view` may be
            missing. Where two tables describe one image, the later table counts.

    Returns:
        The rows by path.

    Raises:
        ValueError: a table lacks the column `image`, or an age is no number.
        OSError: a table cannot be read.
    """
    return {key: read for table in tables for key, read in _rows(table).items()}


def _rows(table: Path) -> dict[Path, Read]:
    folder = table.resolve().parent
    with open_table(table) as rows:
        if "image" not in (rows.fieldnames or ()):
            raise ValueError(
                f"{table} lacks the column image: a table of reads has the columns "
                "image,age,view,read, of which all but image may be missing"
            )
        return {
            folder / row["image"]: _read(row, f"line {rows.line_num} of {table}") for row in rows
        }


def _read(row: Mapping[str, str | None], where: str) -> Read:
    words, age = row.get("read"), row.get("age")
    try:
        years = int(float(age)) if age else None
    except ValueError:
        raise ValueError(
            f"{where}: an age is a number of years, not {age!r} (leave it empty if it is unknown)"
        ) from None
    words = None if words is None else words.strip().casefold()
    return Read(words, years, (row.get("view") or "").strip().upper())


def read_of(path: Path, reads: Reads) -> Read:
    """Return the row of a radiograph; links are followed.

    Args:
        path: the radiograph. The table lies beside its class folder.
        reads: the rows of `load_reads`.

    Returns:
        The row, or one that says nothing where no table lists the radiograph.
    """
    place = path.resolve()
    without_class = place.parent.parent / place.name
    return reads.get(place) or reads.get(without_class) or Read()


def load_patients(table: Path) -> frozenset[str]:
    """Read names of patients from the column `patient` of a CSV.

    Raises:
        ValueError: the column is missing.
        OSError: the table cannot be read.
    """
    with open_table(table) as rows:
        if "patient" not in (rows.fieldnames or ()):
            raise ValueError(f"{table} lacks the column patient: its first line must name it")
        return frozenset(row["patient"] for row in rows)
