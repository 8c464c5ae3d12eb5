"""Tables: radiologists' reads and patients of radiographs."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

from cxr_gradcam.data.folders import ListedFile

FINDING, NORMAL = "lung opacity", "normal"
"""The two reads for the finding and its absence; any other read is another finding."""
AGES = (40, 60)
"""The limits between age groups, in years."""
AGE_GROUPS = ("under 40", "40 to 59", "60 and older")

_IMAGE_COLUMNS = (
    *("image", "imageindex", "imageid", "imagename", "imagepath", "imagefile", "path", "filename"),
    *("filepath", "file", "dicomid", "dicompath", "dicomfile", "pngpath", "jpgpath", "img"),
    "dicom",
)
_PATIENT_COLUMNS = (
    *("patient", "patientid", "patientnumber", "patientname", "patientnr", "subject", "subjectid"),
    *("pid", "mrn", "person", "personid", "participantid", "caseid"),
)
_SUFFIX = re.compile(r"\.(png|jpe?g|dcm|dicom|dic|tiff?|bmp|webp|gif|gz)$")


@dataclass(frozen=True)
class Read:
    """A row of a table about one radiograph.

    Attributes:
        words: the read; "" if nobody read the radiograph; None if the table has no column of reads,
            so that the class folder gives the class.
        age: the patient's age in years; None if it is not known.
        view: the projection, "AP" or "PA"; "" if it is not known.
    """

    words: str | None = None
    age: int | None = None
    view: str = ""

    @property
    def finding(self) -> bool | None:
        """Whether the finding was read; None for another finding, or if there is no read."""
        return {FINDING: True, NORMAL: False}.get(self.words or "")

    @property
    def age_group(self) -> str:
        """The name of the age group; "" if the age is not known."""
        return "" if self.age is None else AGE_GROUPS[sum(self.age >= bound for bound in AGES)]


Reads = Mapping[Path, Read]
"""Rows by the path of the radiograph, without its class folder if the table omits it."""


@contextmanager
def open_table(table: Path) -> Iterator[csv.DictReader[str]]:
    """Open a CSV with column names in the first line, separated by commas, semicolons or tabs.

    Args:
        table: the file, in UTF-8.

    Yields:
        A reader of the rows.

    Raises:
        ValueError: the file is not a CSV in UTF-8.
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
            missing. If two tables describe one image, the later table is used.

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
        path: the radiograph. The table is in the same folder as its class folder.
        reads: the rows from `load_reads`.

    Returns:
        The row, or an empty `Read` if no table lists the radiograph.
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


def read_table(table: Path) -> dict[str, str]:
    """Read a CSV of images and their patients.

    Returns:
        {image: patient}; an image is a path, and may lack its suffix.

    Raises:
        ValueError: a column is missing, a row lacks a value, or two rows contradict each other.
        OSError: the file cannot be read.
    """
    with open_table(table) as rows:
        columns = {_column(name): name for name in rows.fieldnames or ()}
        image = next((columns[name] for name in _IMAGE_COLUMNS if name in columns), None)
        patient = next((columns[name] for name in _PATIENT_COLUMNS if name in columns), None)
        if image is None or patient is None:
            raise ValueError(
                f"{table} needs the columns image and patient, and has "
                f"{', '.join(rows.fieldnames or ()) or 'none'}"
            )
        patients: dict[str, str] = {}
        for row in rows:
            name, known = (
                (row[image] or "").strip().replace("\\", "/"),
                (row[patient] or "").strip(),
            )
            if not name or not known:
                raise ValueError(f"line {rows.line_num} of {table} lacks its image or its patient")
            if patients.setdefault(name, known) != known:
                raise ValueError(
                    f"line {rows.line_num} of {table} names another patient for {name} than an "
                    "earlier line: write the image's path below the source where names repeat"
                )
        return patients


def _column(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def look_up(files: Sequence[ListedFile], table: Mapping[str, str]) -> list[str | None]:
    """Return the patient of each file, from the row whose path has the longest common end.

    Upper case and the suffix make no difference, since copies in other formats are common.

    Args:
        files: N files.
        table: {image: patient} from `read_table`.

    Returns:
        N patients; None if no row matches the file.

    Raises:
        ValueError: a row matches several files, or rows of several patients match one file.
    """
    rows = defaultdict[str, list[str]](list)
    for name in table:
        rows[_path_from_end(name)[0]].append(name)
    used: dict[str, str] = {}
    found = list[str | None]()
    for file in files:
        row = _row_of(file, rows.get(_path_from_end(file.path.name)[0], []), table)
        if row is not None and not _is_whole_path(row, file):
            other = used.setdefault(row, file.below_source)
            if other != file.below_source:
                raise ValueError(
                    f"the table of patients names {row}, which may be {other} or "
                    f"{file.below_source}: write the paths below the source into it"
                )
        found.append(None if row is None else table[row])
    return found


def _row_of(file: ListedFile, names: Sequence[str], table: Mapping[str, str]) -> str | None:
    """Return the row, among those with the file's name, that matches a file; None for none."""
    ranked = {name: (_common_end(name, file), name.endswith(file.path.suffix)) for name in names}
    best = [name for name in names if ranked[name] == max(ranked.values())]
    if len({table[name] for name in best}) > 1:
        raise ValueError(
            f"the table of patients has {best[0]} and {best[1]}, of different patients, and either "
            f"may be {file.below_source}: write the paths below the source into it"
        )
    return best[0] if best else None


def _common_end(name: str, file: ListedFile) -> int:
    pairs = zip(_path_from_end(name), _path_from_end(file.path.as_posix()), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _is_whole_path(name: str, file: ListedFile) -> bool:
    """Return whether a row's path has at least one folder, and all its folders match the file's."""
    return "/" in name and _common_end(name, file) == len(_path_from_end(name))


def _path_from_end(path: str) -> list[str]:
    """Return the parts of a path in reverse, in lower case; the name without its suffix."""
    *folders, name = PurePosixPath(path.casefold()).parts
    while _SUFFIX.search(name):
        name = _SUFFIX.sub("", name)
    return [name, *reversed(folders)]
