"""Radiographs with known class and further data, for an evaluation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cxr_gradcam.data.copies import (
    copies_note,
    fingerprints,
    join_copies,
    refuse_contradictions,
    same_pictures,
)
from cxr_gradcam.data.findings import finding_note, named_class, require_finding
from cxr_gradcam.data.folders import ListedFile, files_for_test, folder_notes, source_names
from cxr_gradcam.data.labels import class_name_of, label_of
from cxr_gradcam.data.patients import PatientRules, Patients, tell_patients
from cxr_gradcam.data.tables import Read, load_patients, load_reads, read_of

_KIND = re.compile(r"_(bacteria|virus)_")


@dataclass(frozen=True)
class LabelledRadiograph:
    """A radiograph in a file, with its class and further data.

    Attributes:
        path: the file.
        label: index of the radiograph's class.
        patient: the name of the patient.
        source: the name of the source.
        kind: "bacteria" or "virus", if the file's name says so; else "".
        read: the radiograph's row in a table of reads; an empty `Read` if there is none.
        told_by: how the patient was identified.
    """

    path: Path
    label: int
    patient: str
    source: str
    kind: str
    read: Read
    told_by: str

    @property
    def is_other(self) -> bool:
        """Whether the radiograph was read as neither the finding nor its absence."""
        return bool(self.read.words) and self.read.finding is None


@dataclass(frozen=True)
class Selection:
    """Which radiographs of folders are evaluated.

    Attributes:
        data: the sources (`folders_of`); the folders in them are named after classes. Of a source
            with parts, the test part is evaluated.
        reads: tables of radiologists' reads (`load_reads`); they correct the labels, and
            radiographs that they list without a read are left out.
        only: a CSV whose column `patient` names the patients to evaluate, in every source that has
            any of them; None for all patients.
        patients: how patients are identified.
        finding: the name of the class that is the finding; None if the weights or the class names
            show it.
    """

    data: Sequence[Path]
    reads: Sequence[Path] = ()
    only: Path | None = None
    patients: PatientRules = field(default_factory=PatientRules)
    finding: str | None = None


def select_radiographs(
    selection: Selection, class_names: Sequence[str], finding: str | None
) -> tuple[list[LabelledRadiograph], list[str]]:
    """List the radiographs to evaluate.

    Args:
        selection: which radiographs.
        class_names: the classes of the model.
        finding: the class for which a read "finding" stands; None if it is not known.

    Returns:
        The radiographs; and notes on parts, patients and copies, a line each.

    Raises:
        ValueError: a folder is no class, two sources have one name, one picture is in two classes,
            there is a read but the finding is not known, or a table or pattern cannot be used.
        OSError: a folder or table is missing.
        RadiographError: a file cannot be read.
    """
    if selection.reads:
        finding = require_finding(class_names, finding, "a table of reads")
    listed = [files_for_test(source) for source in selection.data]
    found = _list_radiographs(selection, listed, class_names, finding)
    if not found:
        raise ValueError(
            "nobody read any of these radiographs, so there is no class to measure against: leave "
            "--reads out to measure against the class folders"
        )
    prints = fingerprints([each.path for each in found])
    pictures = same_pictures(prints)
    names = [class_names[each.label] for each in found]
    refuse_contradictions([each.path for each in found], names, prints)
    patients = join_copies([each.patient for each in found], pictures)
    joined = [replace(each, patient=name) for each, name in zip(found, patients, strict=True)]
    notes = folder_notes(zip(selection.data, source_names(selection.data), listed, strict=True))
    notes += Patients(patients, [each.told_by for each in found]).notes() + copies_note(
        prints, pictures
    )
    return joined, [*notes, finding_note(class_names, finding)]


def _list_radiographs(
    selection: Selection,
    listed: Sequence[Sequence[ListedFile]],
    class_names: Sequence[str],
    finding: str | None,
) -> list[LabelledRadiograph]:
    reads = load_reads(selection.reads)
    only = frozenset[str]() if selection.only is None else load_patients(selection.only)
    patients = tell_patients(listed, selection.patients)
    named = zip(patients.names, patients.told_by, strict=True)
    found = list[LabelledRadiograph]()
    for files, source in zip(listed, source_names(selection.data), strict=True):
        whole = [
            LabelledRadiograph(
                file.path,
                _label(file, read, class_names, finding),
                patient,
                source,
                kind_of(file.path.name) or "",
                read,
                told_by,
            )
            for file, (patient, told_by) in zip(files, named, strict=False)
            for read in [read_of(file.path, reads)]
        ]
        chosen = [each for each in whole if {each.patient, each.path.name} & only] or whole
        found += [each for each in chosen if each.read.words != ""]
    return found


def _label(file: ListedFile, read: Read, class_names: Sequence[str], finding: str | None) -> int:
    if read.words:
        return label_of(file.class_name, read, class_names, finding)
    try:
        return class_names.index(named_class(class_names, class_name_of(file.class_name)))
    except ValueError as error:
        raise ValueError(
            f"class folder {file.class_name}: {error}; give each class folder the "
            "name of a class of the model"
        ) from None


def kind_of(file_name: str) -> str | None:
    """Return bacterial or viral pneumonia if the file name says so, as in the Kermany data set."""
    match = _KIND.search(file_name)
    return match.group(1) if match else None
