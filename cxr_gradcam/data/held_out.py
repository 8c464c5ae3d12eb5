"""Choose radiographs for validation: whole patients, by their names or by parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.data.parts import Part

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Candidate:
    """The data that decide whether a radiograph is for training or validation.

    Attributes:
        patient: the radiograph's patient.
        label: index of the radiograph's class.
        source: index of the radiograph's source.
        part: the part of the source that holds the radiograph; None if the source is not divided.
        may_validate: whether the label is reliable enough for validation.
    """

    patient: str
    label: int
    source: int
    part: Part | None = None
    may_validate: bool = True


def choose_sides(candidates: Sequence[Candidate], share: float, seed: int) -> tuple[Bools, Bools]:
    """Choose which radiographs are for validation.

    If a source has a part for validation, the patients in it are for validation, and radiographs of
    the same patients in the part for training are not used. Otherwise a share of the patients is
    drawn. If the draw leaves a class without a patient on one side, the patient who was closest to
    that side moves there.

    Args:
        candidates: the N radiographs.
        share: share of the patients, in [0, 1].
        seed: seed of the draw.

    Returns:
        bool (N,), True where a radiograph is held out for validation; bool (N,), True where it is
        not used.
    """
    divided = {each.source for each in candidates if each.part is Part.VALIDATION}
    in_training = [each.source in divided and each.part is Part.TRAINING for each in candidates]
    validating = {each.patient for each in candidates if each.part is Part.VALIDATION}
    training = {
        each.patient for each, trains in zip(candidates, in_training, strict=True) if trains
    }
    drawn = _draw(
        [each for each in candidates if each.patient not in validating | training], share, seed
    )
    held_out = [each.patient in validating | drawn for each in candidates]
    unused = [
        trains and each.patient in validating
        for each, trains in zip(candidates, in_training, strict=True)
    ]
    return np.array(held_out, dtype=bool), np.array(unused, dtype=bool)


def held_out_patients(patients: Sequence[str], share: float, seed: int) -> Bools:
    """Draw whole patients for validation.

    Only a patient's name and the seed decide, so that no other image or source moves a patient to
    the other side: a patient for validation in one stage of a training is so in all stages.

    Args:
        patients: one name per image.
        share: share of the patients, in [0, 1]; with few patients, the drawn share may differ.
        seed: seed of the draw.

    Returns:
        bool (N,), True if an image is for validation; no patient is on both sides.
    """
    return np.array([_lot(patient, seed) < share for patient in patients], dtype=bool)


def _draw(candidates: Sequence[Candidate], share: float, seed: int) -> set[str]:
    """Return the patients who are drawn for validation, some of each class where possible."""
    names = [each.patient for each in candidates]
    drawn = {
        name for name, out in zip(names, held_out_patients(names, share, seed), strict=True) if out
    }
    if not 0 < share < 1:
        return drawn
    for label in sorted({each.label for each in candidates}):
        sure = {each.patient for each in candidates if each.label == label and each.may_validate}
        by_lot = sorted(sure, key=lambda name: _lot(name, seed))
        if len(by_lot) > 1 and not sure & drawn:
            drawn.add(by_lot[0])
        elif len(by_lot) > 1 and sure <= drawn:
            drawn.remove(by_lot[-1])
    return drawn


def _lot(patient: str, seed: int) -> float:
    """Return a pseudo-random number in [0, 1) that depends only on the arguments."""
    digits = sha256(f"{seed} {patient}".encode()).digest()[:6]
    return int.from_bytes(digits) / 2**48
