"""Radiographs for training: reading them, and how often each one is drawn.

They are kept in memory as 8-bit squares (50 kB each at 224 pixels).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cxr_gradcam.cam.maps import resize
from cxr_gradcam.data.split import Split
from cxr_gradcam.imaging.reading import read_named
from cxr_gradcam.synthetic.chest import draw_phantom

PHANTOMS = "phantoms"
PHANTOM_CLASSES = ("Normal", "Pneumonia")
PHANTOM_FINDING = PHANTOM_CLASSES[1]
"""The class of a synthetic radiograph with an opacity."""
_FIRST_PHANTOM = 1_000_000
_LEAST_SIDE = 64  # of a synthetic radiograph, in pixels
MAX_FACTOR = 4.0
"""The greatest factor by which strata make a radiograph more or less frequent."""


@dataclass(frozen=True)
class LabelledImages:
    """N images in memory; the last P of them are synthetic ("phantoms").

    Attributes:
        images: uint8 (N, 1, size, size).
        labels: int64 (N,), index of each image's class.
        source_of: int64 (N,), index of each image's source; the index of the phantoms is last.
        masks: uint8 (P, 1, size, size), 255 in a phantom's opacity.
        doubts: int64 (N,), a `Doubt` each; 0 for phantoms.
        strata: int64 (N,), a number for projection and age; 0 for phantoms.
        names: N paths below the class folders, without suffix; "" for phantoms. May be empty.
        lungs: uint8 (N - P, 1, h, w), 255 in the lungs of a radiograph, 0 everywhere if they are
            not to be used; None if no lungs are used.
    """

    images: Tensor
    labels: Tensor
    source_of: Tensor
    masks: Tensor
    doubts: Tensor
    strata: Tensor
    names: Sequence[str] = ()
    lungs: Tensor | None = None

    def __len__(self) -> int:
        """Return N."""
        return len(self.labels)

    @property
    def radiographs(self) -> int:
        """The number N - P of images that are not synthetic; these come first."""
        return len(self) - len(self.masks)

    def with_masks(self, chosen: Tensor) -> Tensor:
        """Return images with their masks as a second channel.

        Args:
            chosen: (n,), the indices of the images.

        Returns:
            float32 (n, 2, size, size) in [0, 1]; the mask of a radiograph shows its lungs.
        """
        masks = torch.zeros_like(self.images[chosen])
        phantom = chosen - self.radiographs
        masks[phantom >= 0] = self.masks[phantom[phantom >= 0]]
        if self.lungs is not None:
            lungs = self.lungs[chosen[phantom < 0]]
            masks[phantom < 0] = F.interpolate(lungs, masks.shape[-2:])
        return torch.cat([self.images[chosen], masks], dim=1).float() / 255


def load(split: Split, size: int, phantoms: int, validation_share: float) -> list[LabelledImages]:
    """Read the radiographs of a split, and draw phantoms (synthetic radiographs).

    Args:
        split: the radiographs, and the side of each.
        size: side of the squares in pixels.
        phantoms: the number of phantoms, half of them with an opacity.
        validation_share: the share of the phantoms for validation, in [0, 1].

    Returns:
        The training images and the validation images.

    Raises:
        RadiographError: a file cannot be read.
        ValueError: phantoms are requested, and the classes are not `PHANTOM_CLASSES`.
    """
    if phantoms and split.class_names != PHANTOM_CLASSES:
        raise ValueError(
            f"the synthetic radiographs that training adds show the classes "
            f"{' and '.join(PHANTOM_CLASSES)}, and your folders {', '.join(split.class_names)}: "
            "leave them out by --phantoms 0"
        )
    images = _read_all(split.paths, size)
    held_out = round(phantoms * validation_share)
    seeds = range(_FIRST_PHANTOM, _FIRST_PHANTOM + phantoms)
    sides = ((~split.held_out, seeds[held_out:]), (split.held_out, seeds[:held_out]))
    return [_with_phantoms(images, split, side, drawn) for side, drawn in sides]


def sampling_weights(labels: Tensor, source_of: Tensor, strata: Tensor) -> Tensor:
    """Return how often each image is drawn, so that its source does not reveal its class.

    A source is drawn in proportion to the square root of the number of its images, so that small
    sources matter beside large ones. Within a source, all classes are drawn equally often, and each
    class with about the same shares of the strata, so that projection and age reveal little of the
    class. Strata make no image more than `MAX_FACTOR` times as frequent.

    Args:
        labels: (N,), index of each image's class.
        source_of: (N,), index of each image's source.
        strata: (N,), each image's number for projection and age.

    Returns:
        (N,) probabilities, float64, their sum 1.
    """
    shares = torch.zeros(len(labels), dtype=torch.float64)
    for source in source_of.unique():
        members = source_of == source
        classes = labels[members].unique()
        for label in classes:
            cell = members & (labels == label)
            within = _balanced(strata[cell], _mean_shares(labels, strata, members))
            shares[cell] = float(members.sum()) ** 0.5 / len(classes) * within
    return shares / shares.sum()


def _mean_shares(labels: Tensor, strata: Tensor, members: Tensor) -> Tensor:
    """Return the share of each stratum (S,), the mean over the classes of the members (N,)."""
    classes = [members & (labels == label) for label in labels[members].unique()]
    count = int(strata.max()) + 1
    shares = [torch.bincount(strata[cell], minlength=count) / cell.sum() for cell in classes]
    return torch.stack(shares).mean(dim=0)


def _balanced(strata: Tensor, wanted: Tensor) -> Tensor:
    """Return weights of images (n,) that give strata about the wanted shares (S,); the sum is 1."""
    shares = torch.bincount(strata, minlength=len(wanted)) / len(strata)
    factors = (wanted / shares)[strata].double().clamp(1 / MAX_FACTOR, MAX_FACTOR)
    return factors / factors.sum()


def _read_all(paths: Sequence[Path], size: int) -> Tensor:
    def read(path: Path) -> Tensor:
        return _as_bytes(torch.tensor(read_named(str(path)).pixels), size)

    with ThreadPoolExecutor() as pool:
        return torch.stack(list(pool.map(read, paths)))


def _as_bytes(pixels: Tensor, size: int) -> Tensor:
    return (resize(pixels[None, None], (size, size))[0] * 255).round().to(torch.uint8)


def _with_phantoms(images: Tensor, split: Split, side: Tensor, seeds: range) -> LabelledImages:
    """Return the images of one side with phantoms; phantoms of odd seeds have an opacity."""
    size = images.shape[-1]
    columns = split.labels[side], split.source_of[side], split.doubts[side], split.strata[side]
    labels, source_of, doubts, strata = columns
    files = [file for file, use in zip(split.files, side.tolist(), strict=True) if use]
    names = [str(PurePosixPath(file.below_class).with_suffix("")) for file in files]
    if not seeds:
        return LabelledImages(images[side], labels, source_of, images[:0], doubts, strata, names)

    def draw(seed: int) -> tuple[Tensor, Tensor]:
        phantom = draw_phantom(seed, size=max(size, _LEAST_SIDE), opacity=seed % 2 == 1)
        pixels, mask = phantom.pixels, phantom.lesion_mask.astype(np.float32)
        return _as_bytes(torch.from_numpy(pixels), size), _as_bytes(torch.from_numpy(mask), size)

    with ThreadPoolExecutor() as pool:
        drawn, masks = zip(*pool.map(draw, seeds), strict=True)
    none = torch.zeros(len(seeds), dtype=torch.long)
    return LabelledImages(
        torch.cat([images[side], torch.stack(drawn)]),
        torch.cat([labels, torch.tensor(seeds) % 2]),
        torch.cat([source_of, none + len(split.sources)]),
        torch.stack(masks),
        torch.cat([doubts, none]),
        torch.cat([strata, none]),
        [*names, *[""] * len(seeds)],
    )
