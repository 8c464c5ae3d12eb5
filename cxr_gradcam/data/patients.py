"""Identify the patient of each radiograph, from tables, DICOM files, folders and file names.

Radiographs of one patient must not be in both training and validation, so every split needs this.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from cxr_gradcam.data.folders import ListedFile
from cxr_gradcam.data.tables import look_up, read_table
from cxr_gradcam.imaging.decompression import start_of_content
from cxr_gradcam.imaging.dicom.file import is_bare_dicom, is_dicom, open_data_set

_FOLDERS = {
    "folders as in MIMIC-CXR": re.compile(r"(?:^|/)(p\d{8})/"),
    "folders as in CheXpert and MURA": re.compile(r"(?:^|/)(patient\d+)/"),
    "folders as in BIDS": re.compile(r"(?:^|/)(sub-[^/]+)/"),
    "folders named after patients": re.compile(
        r"(?:^|/)(p[ _-]*\d[^/]*|(?:patient|pat|pt|subject|subj|case|person|mrn|pid|id)"
        r"[ _-]*[a-z]{0,3}\d[^/]*)/",
        re.IGNORECASE,
    ),
}
"""{description: pattern} of patients' folders in a path below a class folder."""
_FILE_NAMES = {
    "file names as in Kermany et al.": re.compile(
        r"^(person\d+|(?:NORMAL\d+-)?IM-\d+|(?:NORMAL|BACTERIA|VIRUS)-\d+(?=-\d))"
    ),
    "file names as in NIH ChestX-ray14": re.compile(r"^(\d{8})_"),
    "file names as in MIMIC-CXR and CheXpert": re.compile(r"^(p\d{8}|patient\d+|sub-[^_]+)[_-]"),
    "file names as in Open-i": re.compile(r"^(CXR\d+)_"),
    "file names that begin with the patient": re.compile(
        r"^((?:patient|pat|pt|p|subject|subj|case|mrn|pid)[ _-]*\d+)[ _.-]+(?=.*\.)", re.IGNORECASE
    ),
}
"""{description: pattern} of file names that begin with the patient."""
_PATIENT_ID = Tag("PatientID")
_HEADER = 2**20
"""The bytes of a DICOM file that are read for its PatientID."""
_LEAST_FOLDERS = 10
"""Least number of folders below the classes from which on they count as patients."""

_NO_IDENTITY = frozenset(
    {"", "0", "none", "unknown", "anonymous", "anonymized", "anonymised", "anon", "removed"}
)
"""Values of PatientID in anonymous DICOM files."""

_TABLE, _PATTERN, _DICOM = "the table", "the pattern", "PatientID in the DICOM files"
_INNER_FOLDERS = "the folders below the class folders"
_NOTHING = "neither folders nor file names"


@dataclass(frozen=True)
class PatientRules:
    """How patients are identified if the usual layouts are not enough.

    Attributes:
        pattern: a regular expression, searched in a file's path below the source ("/" between
            folders), else in the file's name; the first group is the patient's name. None for the
            usual layouts.
        table: a CSV with the columns `image` and `patient`, which has precedence over all else;
            None for no table.
    """

    pattern: str | None = None
    table: Path | None = None


@dataclass(frozen=True)
class Patients:
    """The patients of N files.

    Attributes:
        names: N names.
        told_by: N descriptions of how each patient was identified.
    """

    names: list[str]
    told_by: list[str]

    def notes(self) -> list[str]:
        """Say how many patients there are, how they were identified, and what is doubtful."""
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
    """Identify the patients of the files of several sources.

    A patient has the same name in all sources, so that radiographs of one patient stay together.

    Args:
        sources: the files of each source.
        rules: how patients are identified.

    Returns:
        The patients of all files, one source after the other.

    Raises:
        ValueError: the pattern is not a regular expression with a group; or the table lacks a
            column, has a row that matches several files, or names none of the files.
        OSError: the table cannot be read.
    """
    table = {} if rules.table is None else read_table(rules.table)
    pairs = [pair for files in sources for pair in _tell_in_source(files, rules, table)]
    if table and pairs and _TABLE not in {way for _, way in pairs}:
        raise ValueError(
            f"{rules.table} names none of these X-rays: its first image is {next(iter(table))}, "
            f"and the first X-ray is {next(files[0] for files in sources if files).below_source}; "
            "write names or paths of these files into it"
        )
    return Patients([name for name, _ in pairs], [way for _, way in pairs])


def patient_in(text: str, pattern: str) -> str | None:
    """Return the match of a pattern's first group in a text; None if it does not match.

    Raises:
        ValueError: the pattern is not a regular expression with a group.
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
    in_table = look_up(files, table)
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
    """Return whether files below one class folder have the same name."""
    names = [
        (file.path.as_posix().removesuffix(file.below_class), file.path.name) for file in files
    ]
    return len({*names}) < len(names)


def _lie_in_many_folders(files: Sequence[ListedFile]) -> bool:
    folders = {file.below_class.partition("/")[0] for file in files if "/" in file.below_class}
    return len(folders) >= _LEAST_FOLDERS


def _dicom_patient(path: Path) -> str:
    """Return the PatientID of a DICOM file; "" if there is none."""
    with path.open("rb") as file:
        start = file.read(_HEADER)
    if start_of_content(start, 2) != start[:2]:
        start = start_of_content(start, _HEADER)
    if not is_dicom(start) and not is_bare_dicom(start):
        return ""
    try:
        identity = _patient_id(start).strip()
    except Exception:
        return ""  # reading the pixels will raise a clear error
    return "" if identity.casefold() in _NO_IDENTITY else identity


def _patient_id(data: bytes) -> str:
    """Return the PatientID of a DICOM file, or of the file's beginning."""
    _, stream, syntax = open_data_set(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning would quote the patient's data
        found = read_dataset(
            stream,
            syntax.is_implicit_VR,
            syntax.is_little_endian,
            stop_when=lambda tag, *_: tag > _PATIENT_ID,
            specific_tags=[_PATIENT_ID, Tag("SpecificCharacterSet")],
        )
        return str(found.get("PatientID", "") or "")
