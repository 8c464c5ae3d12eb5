"""Radiographs whose class is known, with what is known of them: what an evaluation measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_gradcam.data.folders import (
    PATIENT_PATTERN,
    kind_of,
    labelled_files,
    patient_of,
    source_names,
)
from cxr_gradcam.data.reads import Read, load_patients, load_reads, read_of


@dataclass(frozen=True)
class LabelledRadiograph:
    """A radiograph, its label, and what is known of it.

    Attributes:
        path: the file.
        label: index of its class.
        patient, source: names.
        kind: of the finding, "bacteria" or "virus", where the file's name says so; else "".
        read: its row in a table of reads; one that says nothing where there is none.
    """

    path: Path
    label: int
    patient: str
    source: str
    kind: str
    read: Read

    @property
    def is_other(self) -> bool:
        """Whether it was read as something else than the finding or its absence."""
        return bool(self.read.words) and self.read.finding is None


@dataclass(frozen=True)
class Selection:
    """Which radiographs of folders are measured.

    Attributes:
        data: the sources, as of `folders_of`; the folders in them carry class names.
        reads: tables of what radiologists saw, as of `load_reads`; they correct the labels, and
            radiographs that they list and nobody read do not count.
        only: a CSV whose column `patient` names those that count in a source that has any of them.
        patient_pattern: as in `patient_of`.
    """

    data: Sequence[Path]
    reads: Sequence[Path] = ()
    only: Path | None = None
    patient_pattern: str = PATIENT_PATTERN


def select_radiographs(
    selection: Selection, class_index: Callable[[str], int], last: int
) -> list[LabelledRadiograph]:
    """List the radiographs that are measured.

    Args:
        selection: which.
        class_index: finds the class that a folder's name stands for.
        last: index of the class that a read finding is; radiographs read otherwise are of class 0.

    Raises:
        ValueError: a folder of no class, two sources of one name, or a table or pattern that is
            none.
        OSError: a folder or table that is missing.
    """
    reads = load_reads(selection.reads)
    only = frozenset[str]() if selection.only is None else load_patients(selection.only)
    films = []
    for source, name in zip(selection.data, source_names(selection.data), strict=True):
        found = [
            LabelledRadiograph(
                path,
                class_index(folder.replace("_", " ")),
                patient_of(path.name, selection.patient_pattern),
                name,
                kind_of(path.name) or "",
                read_of(path, reads),
            )
            for path, folder in labelled_files(source)
        ]
        chosen = [film for film in found if film.patient in only] or found
        films += [_by_read(film, last) for film in chosen if film.read.words != ""]
    return films


def _by_read(film: LabelledRadiograph, last: int) -> LabelledRadiograph:
    if film.read.words is None:
        return film
    label = last if film.read.finding else 0
    return LabelledRadiograph(film.path, label, film.patient, film.source, film.kind, film.read)
