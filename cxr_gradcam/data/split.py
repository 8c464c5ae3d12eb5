"""Which radiographs train and which validate: whole patients, chosen by their names alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxr_gradcam.data.folders import (
    PATIENT_PATTERN,
    labelled_files,
    patient_of,
    source_names,
)
from cxr_gradcam.data.reads import AGE_GROUPS, Read, load_patients, load_reads, read_of

_VIEWS = ("AP", "PA")


class Doubt(IntEnum):
    """How far a label is to be trusted."""

    NONE = 0
    OTHER = 1
    """Radiologists read something else than the finding or its absence."""
    UNREAD = 2
    """A table lists the radiograph, but nobody read it: its label is that of the folder."""


@dataclass(frozen=True)
class Sources:
    """The folders of a training, and what is known of their radiographs.

    Attributes:
        data: one per source, each with one folder of radiographs per class, as of `folders_of`.
        cut_outs: further ones, of lungs alone on black.
        noisy: further ones, whose labels are often wrong.
        reads: tables of what radiologists saw, as of `load_reads`; they correct the labels.
        left_out: a CSV whose column `patient` names patients that nothing is learnt from.
        patient_pattern: as in `patient_of`.
    """

    data: Sequence[Path]
    cut_outs: Sequence[Path] = ()
    noisy: Sequence[Path] = ()
    reads: Sequence[Path] = ()
    left_out: Path | None = None
    patient_pattern: str = PATIENT_PATTERN

    @property
    def folders(self) -> list[Path]:
        """All folders, in the order of the sources."""
        return [*self.data, *self.cut_outs, *self.noisy]


@dataclass(frozen=True)
class Split:
    """Which pictures train and which validate, known before the first is read.

    Attributes:
        class_names: the classes, in the order of the labels.
        sources: the folders' names: those of data, then the cut-outs, then the noisy ones.
        paths: the N pictures.
        labels: (N,) class of each.
        source_of: (N,) index of each one's folder.
        held_out: (N,) True where a picture is for validation.
        cut_outs_from, noisy_from: index of the first source of cut-outs, and of the first whose
            labels are often wrong.
        doubts: (N,), a `Doubt` each; pictures for validation have none.
        strata: (N,), 0 where projection or age are not known, else a number for both.
    """

    class_names: tuple[str, ...]
    sources: tuple[str, ...]
    paths: list[Path]
    labels: Tensor
    source_of: Tensor
    held_out: Tensor
    cut_outs_from: int
    noisy_from: int
    doubts: Tensor
    strata: Tensor

    def is_cut_out(self, source_of: Tensor) -> Tensor:
        """Return bool (N,), whether sources (N,) are of cut-outs."""
        return (source_of >= self.cut_outs_from) & (source_of < self.noisy_from)

    def only(self, chosen: Tensor) -> Split:
        """Return the split of the chosen pictures (N,) alone."""
        kept = [path for path, use in zip(self.paths, chosen.tolist(), strict=True) if use]
        columns = ("labels", "source_of", "held_out", "doubts", "strata")
        return replace(self, paths=kept, **{name: getattr(self, name)[chosen] for name in columns})

    def digest(self) -> str:
        """Name the split, so that a run is never resumed with another one."""
        lines = sorted(self._line(index) for index in range(len(self.paths)))
        return sha256("\n".join([str(self.noisy_from), *lines]).encode()).hexdigest()

    def _line(self, index: int) -> str:
        path, label = self.paths[index], self.class_names[self.labels[index]]
        line = (
            f"{self.source_of[index]} {path.parent.name}/{path.name} {bool(self.held_out[index])}"
        )
        if label != _class_name(path.parent.name):
            line += f" {label}"
        return f"{line} {self.doubts[index]}" if self.doubts[index] else line


def split_by_patient(
    sources: Sources, validation_share: float, seed: int, kept: Collection[Doubt] = ()
) -> Split:
    """Split the radiographs of folders by patient.

    Args:
        sources: the folders; the classes of each are among those of the one that has most.
        validation_share: the share of the patients kept for validation, in [0, 1].
        seed: of the choice.
        kept: the doubtful labels that train; no doubtful one validates.

    Raises:
        ValueError: folders of different classes or one name, fewer than two classes, a class that
            lacks patients on one side, a pattern or a table that is none.
        OSError: a folder or table that is missing.
    """
    names = source_names(sources.folders)
    listed = [labelled_files(folder) for folder in sources.folders]
    class_names = _common_classes([{name for _, name in files} for files in listed])
    reads = load_reads(sources.reads)
    left_out = frozenset[str]() if sources.left_out is None else load_patients(sources.left_out)
    rows = [
        (path, index, _class_name(name), read_of(path, reads), patient)
        for index, files in enumerate(listed)
        for path, name in files
        if (patient := patient_of(path.name, sources.patient_pattern)) not in left_out
    ]
    held_out = torch.from_numpy(
        held_out_patients([patient for *_, patient in rows], validation_share, seed)
    )
    doubts = torch.tensor([_doubt(read) for _, _, _, read, _ in rows])
    trusted = torch.tensor([doubt in (Doubt.NONE, *kept) for doubt in doubts.tolist()])
    used = torch.where(held_out, doubts == Doubt.NONE, trusted)
    labels = torch.tensor([_label(name, read, class_names) for _, _, name, read, _ in rows])
    for side, of in (("validation", held_out & used), ("training", ~held_out & used)):
        if len(labels[of].unique()) < len(class_names):
            raise ValueError(f"a class has no patient for {side}: change the share or add pictures")
    return Split(
        class_names,
        names,
        [row[0] for row, use in zip(rows, used.tolist(), strict=True) if use],
        labels[used],
        torch.tensor([index for _, index, *_ in rows])[used],
        held_out[used],
        len(sources.data),
        len(sources.data) + len(sources.cut_outs),
        doubts[used],
        torch.tensor([_stratum(read) for _, _, _, read, _ in rows])[used],
    )


def _doubt(read: Read) -> Doubt:
    if read.words is None or read.finding is not None:
        return Doubt.NONE
    return Doubt.OTHER if read.words else Doubt.UNREAD


def _label(name: str, read: Read, class_names: Sequence[str]) -> int:
    """Return the class by the read, where there is one, else by the folder."""
    if not read.words:
        return class_names.index(name)
    return len(class_names) - 1 if read.finding else 0


def _stratum(read: Read) -> int:
    if read.view not in _VIEWS or not read.age_group:
        return 0
    return 1 + len(AGE_GROUPS) * _VIEWS.index(read.view) + AGE_GROUPS.index(read.age_group)


def _class_name(folder: str) -> str:
    return folder.replace("_", " ").capitalize()


def _common_classes(found: Sequence[set[str]]) -> tuple[str, ...]:
    """Return the classes of the source that has most; all others' must be among them."""
    named = [tuple(dict.fromkeys(map(_class_name, sorted(classes)))) for classes in found]
    most = max(named, key=len)
    if any(set(classes) - set(most) for classes in named):
        raise ValueError(
            "the folders have different classes: "
            + " against ".join(", ".join(classes) for classes in sorted(set(named)))
        )
    if len(most) < 2:
        raise ValueError(f"one class ({most[0]}) cannot be told from another: two needed")
    return most


def held_out_patients(patients: Sequence[str], share: float, seed: int) -> NDArray[np.bool_]:
    """Choose whole patients for validation.

    A patient's name and the seed alone decide, so that no other picture or source moves a patient
    to the other side: whoever validates one stage of a training validates them all.

    Args:
        patients: one name per image.
        share: of the patients, in [0, 1]; of a few patients, the share chosen may differ.
        seed: of the choice.

    Returns:
        (N,), True where an image is for validation; no patient stands on both sides.
    """
    return np.array([_lot(patient, seed) < share for patient in patients], dtype=bool)


def _lot(patient: str, seed: int) -> float:
    """Draw a number in [0, 1) that is always the same."""
    digits = sha256(f"{seed} {patient}".encode()).digest()[:6]
    return int.from_bytes(digits) / 2**48
