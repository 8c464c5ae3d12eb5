"""Which radiographs train and which validate: whole patients, chosen by their names alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxr_gradcam.data.image_folder import PATIENT_PATTERN, image_folder, patient_of, source_names


@dataclass(frozen=True)
class Split:
    """Which pictures train and which validate, known before the first is read.

    Attributes:
        class_names: the classes, in the order of the labels.
        sources: the folders' names.
        paths: the N pictures.
        labels: (N,) class of each.
        source_of: (N,) index of each one's folder.
        held_out: (N,) True where a picture is for validation.
        noisy_from: index of the first source whose labels are often wrong; they come last.
    """

    class_names: tuple[str, ...]
    sources: tuple[str, ...]
    paths: list[str]
    labels: Tensor
    source_of: Tensor
    held_out: Tensor
    noisy_from: int

    def digest(self) -> str:
        """Name the split, so that a run is never resumed with another one."""
        pictures = zip(
            self.source_of.tolist(), map(Path, self.paths), self.held_out.tolist(), strict=True
        )
        lines = sorted(
            f"{source} {path.parent.name}/{path.name} {side}" for source, path, side in pictures
        )
        return sha256("\n".join([str(self.noisy_from), *lines]).encode()).hexdigest()


def split_by_patient(
    data: Sequence[Path],
    noisy: Sequence[Path],
    validation_share: float,
    seed: int,
    pattern: str = PATIENT_PATTERN,
) -> Split:
    """Split the radiographs of folders, each with one folder per class, by patient.

    Args:
        data: the sources; all have the same classes.
        noisy: further ones, whose labels are often wrong.
        validation_share: the share of the patients kept for validation, in [0, 1].
        seed: of the choice.
        pattern: as in `patient_of`.

    Raises:
        ValueError: folders of different classes or one name, fewer than two classes, a class that
            lacks patients on one side, a pattern that is none.
    """
    folders = [*data, *noisy]
    sources = source_names(folders)
    listed = [image_folder(folder) for folder in folders]
    class_names = _same_classes([tuple(folder.classes) for folder in listed])
    paths = [path for folder in listed for path, _ in folder.samples]
    labels = torch.tensor([label for folder in listed for label in folder.targets])
    source_of = torch.tensor([i for i, folder in enumerate(listed) for _ in folder.samples])
    patients = [patient_of(Path(path).name, pattern) for path in paths]
    held_out = torch.from_numpy(held_out_patients(patients, validation_share, seed))
    for side, name in ((labels[held_out], "validation"), (labels[~held_out], "training")):
        if len(side.unique()) < len(class_names):
            raise ValueError(f"a class has no patient for {name}: change the share or add pictures")
    return Split(class_names, sources, paths, labels, source_of, held_out, len(data))


def _same_classes(found: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    names = {tuple(name.replace("_", " ").capitalize() for name in classes) for classes in found}
    if len(names) > 1:
        raise ValueError(
            "the folders have different classes: "
            + " against ".join(", ".join(classes) for classes in sorted(names))
        )
    (class_names,) = names
    if len(class_names) < 2:
        raise ValueError(f"one class ({class_names[0]}) cannot be told from another: two needed")
    return class_names


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
