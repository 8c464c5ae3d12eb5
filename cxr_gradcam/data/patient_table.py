"""A table of images and their patients, and which of its rows stands for which file."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath

from cxr_gradcam.data.folders import ListedFile
from cxr_gradcam.data.reads import open_table

_IMAGE_COLUMNS = (
    *("image", "imageindex", "imageid", "imagename", "imagepath", "imagefile", "path", "filename"),
    *(
        "filepath",
        "file",
        "dicomid",
        "dicompath",
        "dicomfile",
        "pngpath",
        "jpgpath",
        "img",
        "dicom",
    ),
)
_PATIENT_COLUMNS = (
    *("patient", "patientid", "patientnumber", "patientname", "patientnr", "subject", "subjectid"),
    *("pid", "mrn", "person", "personid", "participantid", "caseid"),
)
_SUFFIX = re.compile(r"\.(png|jpe?g|dcm|dicom|dic|tiff?|bmp|webp|gif|gz)$")


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
    """Return the patient of each file by the row of a table whose path has the longest common end.

    Capital letters and the suffix make no difference, since copies in other formats are common.

    Args:
        files: N files.
        table: {image: patient}, of `read_table`.

    Returns:
        N patients; None where no row stands for the file.

    Raises:
        ValueError: a row stands for several files, or rows of several patients for one file.
    """
    rows = defaultdict[str, list[str]](list)
    for name in table:
        rows[_path_from_end(name)[0]].append(name)
    used: dict[str, str] = {}
    found = list[str | None]()
    for file in files:
        name = _row_of(file, rows.get(_path_from_end(file.path.name)[0], []), table)
        if name is not None and not _is_whole_path(name, file):
            other = used.setdefault(name, file.below_source)
            if other != file.below_source:
                raise ValueError(
                    f"the table of patients names {name}, which may be {other} or "
                    f"{file.below_source}: write the paths below the source into it"
                )
        found.append(None if name is None else table[name])
    return found


def _row_of(file: ListedFile, names: Sequence[str], table: Mapping[str, str]) -> str | None:
    """Return the row, of those with the file's name, that stands for a file; None for none."""
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
    """Return whether a row names a file with a folder at least, and no other folder."""
    return "/" in name and _common_end(name, file) == len(_path_from_end(name))


def _path_from_end(path: str) -> list[str]:
    """Return the parts of a path from its end on, in small letters; the name without its suffix."""
    *folders, name = PurePosixPath(path.casefold()).parts
    while _SUFFIX.search(name):
        name = _SUFFIX.sub("", name)
    return [name, *reversed(folders)]
