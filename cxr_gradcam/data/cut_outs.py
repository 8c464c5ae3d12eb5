"""Cut-outs: pictures of lungs alone on black, whose outline must not tell the class.

A dense opacity is partly cut off with what lies around the lung, so the outline alone says who is
ill. Each picture is therefore shown only where another one of another class has lung too, once its
lungs are laid upon those of the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLACK = 2
"""Grey values up to this one, of 255, are outside: what compression leaves of black."""
MIN_LUNG = 0.016
"""The smaller of the two lungs has at least this share of the picture."""

Mask = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Outline:
    """Where a cut-out has lung, uint8 (H, W) of 0 and 1; x, y, width and height of each lung."""

    mask: Mask
    lungs: tuple[Box, Box]


def outline_of(image: Mask) -> Outline | None:
    """Find the two lungs of a cut-out.

    Args:
        image: uint8 (H, W).

    Returns:
        Their outline; None where there are no two lungs, one on each side.
    """
    mask = cv2.morphologyEx(
        (image > BLACK).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)
    )
    count, _, stats, centres = cv2.connectedComponentsWithStats(mask)
    largest = sorted(range(1, count), key=lambda part: -int(stats[part, cv2.CC_STAT_AREA]))[:2]
    if len(largest) < 2 or stats[largest[1], cv2.CC_STAT_AREA] < MIN_LUNG * mask.size:
        return None
    left, right = sorted(largest, key=lambda part: float(centres[part][0]))
    if not centres[left][0] < mask.shape[1] / 2 < centres[right][0]:
        return None
    return Outline(mask.astype(np.uint8), (_box(stats[left]), _box(stats[right])))


def common_outline(one: Outline, other: Outline) -> Mask:
    """Return where a cut-out has lung, and another one too when laid upon it lung by lung.

    Args:
        one: whose picture is shown.
        other: whose lungs are stretched to the boxes of the first one's.

    Returns:
        uint8 (H, W) of 0 and 1.
    """
    common = np.zeros_like(one.mask)
    for (x, y, w, h), (u, v, p, q) in zip(one.lungs, other.lungs, strict=True):
        laid = cv2.resize(other.mask[v : v + q, u : u + p], (w, h), interpolation=cv2.INTER_NEAREST)
        common[y : y + h, x : x + w] |= one.mask[y : y + h, x : x + w] & laid.astype(np.uint8)
    return common


class CutOuts:
    """The cut-outs among pictures in memory.

    Args:
        images: uint8 (N, 1, H, W).
        labels: (N,) classes.
        is_cut_out: bool (N,).

    Attributes:
        usable: bool (N,), False where a cut-out has no two lungs, or no partner.
    """

    def __init__(self, images: Tensor, labels: Tensor, is_cut_out: Tensor) -> None:
        self._outlines = {
            index: outline
            for index in is_cut_out.nonzero()[:, 0].tolist()
            if (outline := outline_of(images[index, 0].numpy())) is not None
        }
        self._label_of = labels.tolist()
        found = list(self._outlines)
        self._partners = {
            label: [index for index in found if self._label_of[index] != label]
            for label in set(self._label_of)
        }
        self.usable = ~is_cut_out
        for index in found:
            self.usable[index] = bool(self._partners[self._label_of[index]])

    def exchange(self, images: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """Show cut-outs only in the outline that they share with one of another class.

        Args:
            images: (n, C, H, W), the chosen pictures; the first channel is the grey one.
            chosen: (n,), their indices; pictures that are no cut-outs stay as they are.
            generator: a CPU generator, which draws the partners.

        Returns:
            (n, C, H, W).
        """
        shown = images.clone()
        for place, index in enumerate(chosen.tolist()):
            if index in self._outlines and self.usable[index]:
                partners = self._partners[self._label_of[index]]
                drawn = int(torch.randint(len(partners), (1,), generator=generator))
                common = common_outline(self._outlines[index], self._outlines[partners[drawn]])
                shown[place, 0] *= torch.from_numpy(common).to(shown)
        return shown


def _box(stats: NDArray[np.int32]) -> Box:
    x, y, w, h = (int(value) for value in stats[:4])
    return x, y, w, h
