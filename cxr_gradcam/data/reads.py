"""Reads: what radiologists saw on the radiographs of a folder, and how these were made."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FINDING, NORMAL = "lung opacity", "normal"
"""Reads that say whether the finding is there; every other one says neither."""
AGES = (40, 60)
"""Where an age group ends and the next begins, in years."""
AGE_GROUPS = ("under 40", "40 to 59", "60 and older")


@dataclass(frozen=True)
class Read:
    """A row about one radiograph.

    Attributes:
        words: what was read; "" where nobody did; None where the table has no reads, so that the
            class of the folder holds.
        age: of the patient in years; None where it is not known.
        view: the projection, "AP" or "PA"; "" where it is not known.
    """

    words: str | None = None
    age: int | None = None
    view: str = ""

    @property
    def finding(self) -> bool | None:
        """Whether the finding was read; None where the read says neither, or there is none."""
        return {FINDING: True, NORMAL: False}.get(self.words or "")

    @property
    def age_group(self) -> str:
        """The name of the age group; "" where the age is not known."""
        return "" if self.age is None else AGE_GROUPS[sum(self.age >= bound for bound in AGES)]


Reads = Mapping[Path, Read]
"""Rows by the file that they describe, whose class folder is left out where the table does so."""


def load_reads(tables: Sequence[Path]) -> Reads:
    """Read tables of reads.

    Args:
        tables: CSV files with the column `image`, a file of the table's own folder, with or
            without its class folder in front; `read`, `age` and `view` may be missing. Where two
            tables describe one image, the later one holds.

    Returns:
        The rows.

    Raises:
        ValueError: a table lacks the column `image`, or an age is no number.
        OSError: a table cannot be read.
    """
    return {key: read for table in tables for key, read in _rows(table).items()}


def _rows(table: Path) -> dict[Path, Read]:
    folder = table.resolve().parent
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if "image" not in (rows.fieldnames or ()):
            raise ValueError(f"{table} lacks the column image: is it a table of reads?")
        return {
            folder / row["image"]: _read(row, f"line {rows.line_num} of {table}") for row in rows
        }


def _read(row: Mapping[str, str | None], where: str) -> Read:
    words, age = row.get("read"), row.get("age")
    try:
        years = int(float(age)) if age else None
    except ValueError:
        raise ValueError(f"{where}: an age is a number of years, not {age!r}") from None
    words = None if words is None else words.strip().casefold()
    return Read(words, years, (row.get("view") or "").strip().upper())


def read_of(path: Path, reads: Reads) -> Read:
    """Return what is known of a radiograph in a class folder; links are followed.

    Args:
        path: the radiograph; its folder's folder is that of the table.
        reads: of `load_reads`.

    Returns:
        Its row; one that says nothing where there is none.
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
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if "patient" not in (rows.fieldnames or ()):
            raise ValueError(f"{table} lacks the column patient")
        return frozenset(row["patient"] for row in rows)
