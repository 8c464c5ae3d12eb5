"""Split radiographs into training and validation: whole patients, by their names alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import compress
from pathlib import Path

import torch
from torch import Tensor

from cxr_gradcam.data.copies import (
    Fingerprint,
    copies_note,
    fingerprints,
    join_copies,
    refuse_contradictions,
    same_pictures,
)
from cxr_gradcam.data.findings import (
    absence_among,
    finding_among,
    finding_note,
    require_finding,
)
from cxr_gradcam.data.folders import ListedFile, files_for_training, folder_notes, source_names
from cxr_gradcam.data.held_out import Candidate, choose_sides
from cxr_gradcam.data.labels import (
    Doubt,
    class_name_of,
    common_classes,
    doubt_of,
    label_of,
    stratum_of,
)
from cxr_gradcam.data.patients import PatientRules, Patients, tell_patients
from cxr_gradcam.data.tables import Read, load_patients, load_reads, read_of


@dataclass(frozen=True)
class Sources:
    """The folders of a training, and further data about their radiographs.

    Attributes:
        data: the sources, each with one folder of radiographs per class (`folders_of`).
        cut_outs: further sources, of lungs alone on black.
        noisy: further sources, whose labels are often wrong.
        reads: tables of radiologists' reads (`load_reads`); they correct the labels.
        left_out: a CSV whose column `patient` names patients that are excluded from training; None
            for none.
        patients: how patients are identified.
        finding: the name of the class that is the finding; None if the class names show it.
    """

    data: Sequence[Path]
    cut_outs: Sequence[Path] = ()
    noisy: Sequence[Path] = ()
    reads: Sequence[Path] = ()
    left_out: Path | None = None
    patients: PatientRules = field(default_factory=PatientRules)
    finding: str | None = None

    @property
    def folders(self) -> list[Path]:
        """All sources: those of `data`, then the cut-outs, then the noisy ones."""
        return [*self.data, *self.cut_outs, *self.noisy]


@dataclass(frozen=True)
class Split:
    """Which radiographs are for training and which for validation.

    Attributes:
        class_names: the classes, in the order of the labels; the order has no meaning.
        sources: the names of the sources: data, then cut-outs, then noisy ones.
        files: the N files.
        labels: int64 (N,), index of each file's class.
        source_of: int64 (N,), index of each file's source.
        held_out: bool (N,), True if a file is for validation.
        cut_outs_from: index of the first source of cut-outs.
        noisy_from: index of the first source whose labels are often wrong.
        doubts: int64 (N,), a `Doubt` each; files for validation have none.
        strata: int64 (N,), a number for projection and age; 0 if either is not known.
        finding: the class that is the finding; None if there are several.
        notes: notes for the user on patients, copies and parts, a line each.
        patients: N names; files of one patient have the same name.
    """

    class_names: tuple[str, ...]
    sources: tuple[str, ...]
    files: list[ListedFile]
    labels: Tensor
    source_of: Tensor
    held_out: Tensor
    cut_outs_from: int
    noisy_from: int
    doubts: Tensor
    strata: Tensor
    finding: str | None = None
    notes: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()

    @property
    def paths(self) -> list[Path]:
        """The paths of the N files."""
        return [file.path for file in self.files]

    @property
    def absence(self) -> int | None:
        """The index of the class without the finding; None if there is no such class."""
        name = absence_among(self.class_names, self.finding)
        return None if name is None else self.class_names.index(name)

    def is_cut_out(self, source_of: Tensor) -> Tensor:
        """Return bool (N,), whether sources (N,) are of cut-outs."""
        return (source_of >= self.cut_outs_from) & (source_of < self.noisy_from)

    def only(self, chosen: Tensor) -> Split:
        """Return the split of only the chosen radiographs.

        Args:
            chosen: bool (N,).
        """
        kept = list(compress(self.files, chosen.tolist()))
        patients = tuple(compress(self.patients, chosen.tolist()))
        columns = ("labels", "source_of", "held_out", "doubts", "strata")
        tensors = {name: getattr(self, name)[chosen] for name in columns}
        return replace(self, files=kept, patients=patients, **tensors)

    def digest(self) -> str:
        """Return a digest of the split, so that a run is never resumed with another split."""
        lines = sorted(self._line(index) for index in range(len(self.files)))
        return sha256("\n".join([str(self.noisy_from), *lines]).encode()).hexdigest()

    def _line(self, index: int) -> str:
        file, label = self.files[index], self.class_names[self.labels[index]]
        place = f"{file.class_name}/{file.below_class}"
        line = f"{self.source_of[index]} {place} {bool(self.held_out[index])}"
        if label != class_name_of(file.class_name):
            line += f" {label}"
        return f"{line} {self.doubts[index]}" if self.doubts[index] else line


@dataclass(frozen=True)
class _Row:
    """A file of a training, with its data before the split."""

    file: ListedFile
    source: int
    read: Read
    patient: str
    told_by: str


def split_by_patient(
    sources: Sources, validation_share: float, seed: int, kept: Collection[Doubt] = ()
) -> Split:
    """Split the radiographs of folders by patient.

    Files with the same pixels count as one patient's, whatever their names. If a source has a part
    for validation, that part is used; otherwise a share of the patients.

    Args:
        sources: the folders; the one with the most classes has all classes of the others.
        validation_share: the share of the patients kept for validation, in [0, 1].
        seed: seed of the choice.
        kept: the doubtful labels used for training; none is used for validation.

    Returns:
        The split; its notes say how patients were identified.

    Raises:
        ValueError: folders have different classes or the same name, there are fewer than two
            classes, a class lacks patients on one side, a picture is in two classes, the finding is
            not clear, or a pattern or table cannot be used.
        OSError: a folder or table is missing.
        RadiographError: a file cannot be read.
    """
    names = source_names(sources.folders)
    listed = [files_for_training(folder) for folder in sources.folders]
    class_names = common_classes([{file.class_name for file in files} for files in listed])
    finding = _finding(class_names, sources)
    rows = _rows(sources, listed)
    prints = fingerprints([row.file.path for row in rows])
    patients = join_copies([row.patient for row in rows], same_pictures(prints))
    rows, patients, prints = _without(sources.left_out, rows, patients, prints)
    told = [row.told_by for row in rows]
    labels = torch.tensor(
        [label_of(row.file.class_name, row.read, class_names, finding) for row in rows]
    )
    doubts = torch.tensor([doubt_of(row.read) for row in rows])
    trusted = torch.tensor([doubt in (Doubt.NONE, *kept) for doubt in doubts.tolist()])
    candidates = [
        Candidate(patient, label, row.source, row.file.part, doubt == Doubt.NONE)
        for patient, label, row, doubt in zip(
            patients, labels.tolist(), rows, doubts.tolist(), strict=True
        )
    ]
    held_out, unused = map(torch.from_numpy, choose_sides(candidates, validation_share, seed))
    used = torch.where(held_out, doubts == Doubt.NONE, trusted) & ~unused
    chosen = used.nonzero()[:, 0].tolist()
    files = [rows[index].file for index in chosen]
    refuse_contradictions(
        [file.path for file in files],
        [class_names[label] for label in labels[used]],
        [prints[index] for index in chosen],
    )
    for side, of in (("validation", held_out & used), ("training", ~held_out & used)):
        _require_every_class(labels[of], class_names, side, Patients(patients, told).notes()[:1])
    return Split(
        class_names,
        names,
        files,
        labels[used],
        torch.tensor([row.source for row in rows])[used],
        held_out[used],
        len(sources.data),
        len(sources.data) + len(sources.cut_outs),
        doubts[used],
        torch.tensor([stratum_of(row.read) for row in rows])[used],
        finding,
        (
            *folder_notes(zip(sources.folders, names, listed, strict=True)),
            *Patients(patients, told).notes(),
            *copies_note(prints, same_pictures(prints)),
            *_unused_note(int(unused.sum())),
            finding_note(class_names, finding),
        ),
        tuple(patients[index] for index in chosen),
    )


def _finding(class_names: Sequence[str], sources: Sources) -> str | None:
    """Return the finding; two classes and tables of reads require one."""
    if sources.reads:
        return require_finding(class_names, sources.finding, "a table of reads")
    if len(class_names) == 2:
        return require_finding(class_names, sources.finding, "a training with two classes")
    return finding_among(class_names, sources.finding)


def _rows(sources: Sources, listed: Sequence[Sequence[ListedFile]]) -> list[_Row]:
    reads = load_reads(sources.reads)
    patients = tell_patients(listed, sources.patients)
    files = [(file, index) for index, files in enumerate(listed) for file in files]
    named = zip(files, patients.names, patients.told_by, strict=True)
    return [
        _Row(file, index, read_of(file.path, reads), patient, told_by)
        for (file, index), patient, told_by in named
    ]


def _without(
    left_out: Path | None, rows: list[_Row], patients: list[str], prints: list[Fingerprint]
) -> tuple[list[_Row], list[str], list[Fingerprint]]:
    """Leave out the patients of a table, including copies of their radiographs."""
    named = frozenset[str]() if left_out is None else load_patients(left_out)
    gone = {
        patient
        for row, patient in zip(rows, patients, strict=True)
        if {row.patient, row.file.path.name} & named
    }
    kept = [index for index, patient in enumerate(patients) if patient not in gone]
    return (
        [rows[index] for index in kept],
        [patients[index] for index in kept],
        [prints[index] for index in kept],
    )


def _unused_note(count: int) -> list[str]:
    if not count:
        return []
    return [
        f"warning: {count:,} X-rays of the part for training are of patients in the part for "
        "validation: nothing is learnt from them"
    ]


def _require_every_class(
    labels: Tensor, class_names: Sequence[str], side: str, told: Sequence[str]
) -> None:
    missing = {*range(len(class_names))} - {*labels.tolist()}
    if missing:
        raise ValueError(
            f"the class {class_names[min(missing)]} has no patient for {side}: change "
            "--validation-share, or add X-rays of other patients (to the part for validation, "
            f"where the folder has one) ({'; '.join(told)})"
        )
