"""Radiographs for training: which train and which validate, how they are read and drawn from.

The pictures are read once and kept in memory as 8-bit squares (50 kB each at 224 pixels).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxr_gradcam.cam.maps import resize
from cxr_gradcam.data.image_folder import (
    PATIENT_PATTERN,
    image_folder,
    patient_of,
    read_listed,
    source_names,
)
from cxr_gradcam.synthetic.chest import draw_phantom

PHANTOMS = "phantoms"
PHANTOM_CLASSES = ("Normal", "Pneumonia")
_FIRST_PHANTOM = 1_000_000


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


@dataclass(frozen=True)
class LabelledImages:
    """Pictures in memory: N of them, the last P of which are phantoms.

    Attributes:
        images: uint8 (N, 1, size, size).
        labels: int64 (N,).
        source_of: int64 (N,), index of each one's source; that of the phantoms comes last.
        masks: uint8 (P, 1, size, size), 255 where a phantom's lesion lies.
    """

    images: Tensor
    labels: Tensor
    source_of: Tensor
    masks: Tensor

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.labels)

    def with_masks(self, chosen: Tensor) -> Tensor:
        """Give pictures with their masks as a second channel, float32 (n, 2, size, size)."""
        masks = torch.zeros_like(self.images[chosen])
        phantom = chosen - (len(self) - len(self.masks))
        masks[phantom >= 0] = self.masks[phantom[phantom >= 0]]
        return torch.cat([self.images[chosen], masks], dim=1).float() / 255


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


def load(split: Split, size: int, phantoms: int, validation_share: float) -> list[LabelledImages]:
    """Read the pictures and draw the phantoms.

    Args:
        split: which pictures, and for what.
        size: side of the squares in pixels.
        phantoms: how many are drawn, half of them with an opacity.
        validation_share: the share of the phantoms for validation.

    Returns:
        The training images and the validation images.

    Raises:
        RadiographError: a picture that cannot be read.
        ValueError: phantoms for classes that are not theirs.
    """
    if phantoms and split.class_names != PHANTOM_CLASSES:
        raise ValueError(
            f"phantoms show the classes {', '.join(PHANTOM_CLASSES)}, the data "
            f"{', '.join(split.class_names)}: train with --phantoms 0"
        )
    images = _read_all(split.paths, size)
    held_out = round(phantoms * validation_share)
    seeds = range(_FIRST_PHANTOM, _FIRST_PHANTOM + phantoms)
    sides = ((~split.held_out, seeds[held_out:]), (split.held_out, seeds[:held_out]))
    return [
        _with_phantoms(
            images[side], split.labels[side], split.source_of[side], drawn, len(split.sources)
        )
        for side, drawn in sides
    ]


def sampling_weights(labels: Tensor, source_of: Tensor) -> Tensor:
    """Say how often each picture is drawn, so that a picture's source tells nothing of its class.

    A source is drawn in proportion to the square root of its pictures, so that a small one is
    heard beside a large one, and within each source every class as often as any other.

    Args:
        labels: (N,) classes.
        source_of: (N,) sources.

    Returns:
        (N,) probabilities, float64, their sum 1.
    """
    shares = torch.zeros(len(labels), dtype=torch.float64)
    for source in source_of.unique():
        members = source_of == source
        classes = labels[members].unique()
        for label in classes:
            cell = members & (labels == label)
            shares[cell] = float(members.sum()) ** 0.5 / (len(classes) * float(cell.sum()))
    return shares / shares.sum()


def _read_all(paths: Sequence[str], size: int) -> Tensor:
    def read(path: str) -> Tensor:
        return _as_bytes(torch.tensor(read_listed(path).pixels), size)

    with ThreadPoolExecutor() as pool:
        return torch.stack(list(pool.map(read, paths)))


def _as_bytes(pixels: Tensor, size: int) -> Tensor:
    return (resize(pixels[None, None], (size, size))[0] * 255).round().to(torch.uint8)


def _with_phantoms(
    images: Tensor, labels: Tensor, source_of: Tensor, seeds: range, source: int
) -> LabelledImages:
    """Add the phantoms of the seeds; the odd ones have an opacity."""
    size = images.shape[-1]
    if not seeds:
        return LabelledImages(images, labels, source_of, images[:0])

    def draw(seed: int) -> tuple[Tensor, Tensor]:
        phantom = draw_phantom(seed, size=size, opacity=seed % 2 == 1)
        mask = torch.from_numpy(phantom.lesion_mask).to(torch.uint8) * 255
        return _as_bytes(torch.from_numpy(phantom.pixels), size), mask[None]

    with ThreadPoolExecutor() as pool:
        drawn, masks = zip(*pool.map(draw, seeds), strict=True)
    return LabelledImages(
        torch.cat([images, torch.stack(drawn)]),
        torch.cat([labels, torch.tensor(seeds) % 2]),
        torch.cat([source_of, torch.full((len(seeds),), source)]),
        torch.stack(masks),
    )
