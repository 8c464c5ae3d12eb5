"""Whose radiographs are whose: patients, told from tables, DICOM files, folders and file names.

Radiographs of one patient must not both train and validate, so every split needs to know them.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import median

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from cxr_gradcam.data.folders import ListedFile
from cxr_gradcam.data.reads import open_table
from cxr_gradcam.imaging.dicom.file import is_dicom

_FOLDERS = {
    "folders as in MIMIC-CXR": re.compile(r"(?:^|/)(p\d{8})/"),
    "folders as in CheXpert and MURA": re.compile(r"(?:^|/)(patient\d+)/"),
    "folders as in BIDS": re.compile(r"(?:^|/)(sub-[^/]+)/"),
    "folders named after patients": re.compile(
        r"(?:^|/)((?:patient|pat|subject|subj|case|person|mrn|pid|id)[ _-]*[a-z]{0,3}\d[^/]*)/",
        re.IGNORECASE,
    ),
}
"""By what they are: patterns of folders of patients in a path below a class folder."""
_FILE_NAMES = {
    "file names as in Kermany et al.": re.compile(r"^(person\d+|(?:NORMAL\d+-)?IM-\d+)"),
    "file names as in NIH ChestX-ray14": re.compile(r"^(\d{8})_"),
    "file names as in MIMIC-CXR and CheXpert": re.compile(r"^(p\d{8}|patient\d+|sub-[^_]+)[_-]"),
    "file names as in Open-i": re.compile(r"^(CXR\d+)_"),
}
"""By what they are: patterns of file names that begin with the patient."""
_LEAST_FOLDERS = 10
"""From so many folders below the classes on, they are taken for patients."""

_IMAGE_COLUMNS = ("image", "image index", "path", "filename", "file name", "file", "dicom id")
_PATIENT_COLUMNS = ("patient", "patient id", "patientid", "subject id", "subject", "patientname")
_NO_IDENTITY = frozenset(
    {"", "0", "none", "unknown", "anonymous", "anonymized", "anonymised", "anon", "removed"}
)
"""What stands for a patient's identity in DICOM files that have none."""

_TABLE, _PATTERN, _DICOM = "the table", "the pattern", "PatientID in the DICOM files"
_INNER_FOLDERS = "the folders below the class folders"
_NOTHING = "neither folders nor file names"


@dataclass(frozen=True)
class PatientRules:
    """How patients are told where the usual layouts do not tell them.

    Attributes:
        pattern: a regular expression, searched in a file's path below the source ("/" between
            folders), else in the file's name; its first group names the patient. None for the
            usual layouts.
        table: a CSV with the columns `image` and `patient`, which comes before everything else;
            None for no table.
    """

    pattern: str | None = None
    table: Path | None = None


@dataclass(frozen=True)
class Patients:
    """The patients of N files.

    Attributes:
        names: N names.
        told_by: N, what named each patient.
    """

    names: list[str]
    told_by: list[str]

    def notes(self) -> list[str]:
        """Say how many patients there are, how they were told, and what is doubtful about it."""
        if not self.names:
            return []
        each = sorted(Counter(self.names).values())
        spread = f"{each[0]}" if each[0] == each[-1] else f"{each[0]} to {each[-1]}"
        middle = "" if each[0] == each[-1] else f" (median {median(each):g})"
        ways = ", ".join(
            f"{way} ({count:,} X-rays)" for way, count in Counter(self.told_by).items()
        )
        notes = [
            f"note: {len(each):,} patients with {len(self.names):,} X-rays, {spread} each{middle}; "
            f"patients are told by {ways}"
        ]
        return notes + self._warnings(len(each))

    def _warnings(self, patients: int) -> list[str]:
        alone = self.told_by.count(_NOTHING)
        sure = {*self.told_by} <= {_TABLE, _DICOM}
        if alone == len(self.names) or (patients == len(self.names) > 1 and not sure):
            return [f"warning: every image is taken for a patient of its own. {_REMEDY}"]
        if alone:
            return [f"warning: images taken for a patient of their own: {alone:,}. {_REMEDY}"]
        return []


def print_notes(notes: Iterable[str]) -> None:
    """Print notes to stderr, a line each."""
    for note in notes:
        print(note, file=sys.stderr)


_REMEDY = (
    "If a patient has several X-rays, name the patients by --patients CSV or --patient-pattern: "
    "otherwise the same patient trains and validates"
)


def tell_patients(sources: Sequence[Sequence[ListedFile]], rules: PatientRules) -> Patients:
    """Tell the patients of the files of several sources.

    A patient has one name in all sources, so that radiographs of one patient stay together.

    Args:
        sources: the files of each source.
        rules: how patients are told.

    Returns:
        The patients of all files, one source after the other.

    Raises:
        ValueError: the pattern is no regular expression with a group, or the table lacks a column
            or has a row that stands for several files.
        OSError: the table cannot be read.
    """
    table = {} if rules.table is None else _read_table(rules.table)
    pairs = [pair for files in sources for pair in _tell_in_source(files, rules, table)]
    return Patients([name for name, _ in pairs], [way for _, way in pairs])


def patient_in(text: str, pattern: str) -> str | None:
    """Return what the first group of a pattern finds in a text; None where it does not match.

    Raises:
        ValueError: the pattern is no regular expression with a group.
    """
    try:
        match = re.search(pattern, text)
        return match.group(1) if match else None
    except (re.error, IndexError) as error:
        raise ValueError(
            f"--patient-pattern {pattern!r} is no regular expression with a group for the "
            f"patient ({error}): write one such as '(patient\\d+)/'"
        ) from None


def _tell_in_source(
    files: Sequence[ListedFile], rules: PatientRules, table: Mapping[str, str]
) -> list[tuple[str, str]]:
    in_table = _look_up(files, table)
    names_repeat = _names_repeat(files)
    use_inner_folders = names_repeat or _lie_in_many_folders(files)
    told = []
    for file, row in zip(files, in_table, strict=True):
        if row is not None:
            told.append((row, _TABLE))
        elif rules.pattern is not None:
            told.append(_by_pattern(file, rules.pattern))
        else:
            told.append(_by_layout(file, names_repeat, use_inner_folders))
    return told


def _by_pattern(file: ListedFile, pattern: str) -> tuple[str, str]:
    name = patient_in(file.below_source, pattern) or patient_in(file.path.name, pattern)
    return (_image_itself(file), _NOTHING) if name is None else (name, _PATTERN)


def _by_layout(file: ListedFile, names_repeat: bool, use_inner_folders: bool) -> tuple[str, str]:
    identity = _dicom_patient(file.path)
    if identity:
        return identity, _DICOM
    for way, layout in _FOLDERS.items():
        if match := layout.search(file.below_class):
            return match.group(1), way
    if not names_repeat:
        for way, names in _FILE_NAMES.items():
            if match := names.search(file.path.name):
                return match.group(1), way
    folder, slash, _ = file.below_class.partition("/")
    if slash and use_inner_folders:
        return folder, _INNER_FOLDERS
    return _image_itself(file), _NOTHING


def _image_itself(file: ListedFile) -> str:
    return f"{file.class_name.casefold()}/{file.below_class}"


def _names_repeat(files: Sequence[ListedFile]) -> bool:
    """Return whether files below one class folder have one name."""
    names = [
        (file.path.as_posix().removesuffix(file.below_class), file.path.name) for file in files
    ]
    return len({*names}) < len(names)


def _lie_in_many_folders(files: Sequence[ListedFile]) -> bool:
    folders = {file.below_class.partition("/")[0] for file in files if "/" in file.below_class}
    return len(folders) >= _LEAST_FOLDERS


def _dicom_patient(path: Path) -> str:
    """Return the PatientID of a DICOM file; "" where there is none."""
    with path.open("rb") as file:
        if not is_dicom(file.read(132)):
            return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning would print what it warns of
        try:
            dataset = dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"])
            identity = str(dataset.get("PatientID", "") or "").strip()
        except (InvalidDicomError, ValueError, TypeError, EOFError, NotImplementedError):
            return ""  # reading the pixels says what is wrong
    return "" if identity.casefold() in _NO_IDENTITY else identity


def _read_table(table: Path) -> dict[str, str]:
    """Return {image: patient} of a CSV; an image is a path, and may lack its suffix."""
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
    return name.strip().casefold().replace("_", " ")


def _look_up(files: Sequence[ListedFile], table: Mapping[str, str]) -> list[str | None]:
    """Return the patient of each file by the longest end of its path that the table has."""
    if not table:
        return [None] * len(files)
    used: dict[str, str] = {}
    found = list[str | None]()
    for file in files:
        key = _key(file, table)
        if key is not None and "/" not in key:
            other = used.setdefault(key, file.below_source)
            if other != file.below_source:
                raise ValueError(
                    f"the table of patients names {key}, which may be {other} or "
                    f"{file.below_source}: write the paths below the source into it"
                )
        found.append(None if key is None else table[key])
    return found


def _key(file: ListedFile, table: Mapping[str, str]) -> str | None:
    path = PurePosixPath(file.path.as_posix())
    for whole in (path, path.with_suffix("")):
        parts = whole.parts
        for start in range(max(0, len(parts) - 8), len(parts)):
            key = "/".join(parts[start:])
            if key in table:
                return key
    return None
