"""Cut-outs: pictures of lungs alone on black, whose outline must not reveal the class.

In ill lungs, part of a dense opacity was removed together with the surroundings, so the outline
alone reveals who is ill. So each cut-out is shown only where a cut-out of another class has lung
too, after the lungs of the two are aligned. If the whole radiograph of a healthy cut-out is
available, other lungs can be inserted (grafted) into it, so that the network sees them inside a
chest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLACK = 2
"""The greatest grey value (of 255) outside the lungs; compression changes black up to this."""
MIN_LUNG = 0.016
"""The least area of the smaller lung, as a share of the picture."""

EDGE = 2.0
"""Standard deviation in pixels of the blur over the edge of a graft."""

Mask = NDArray[np.uint8]
Image = NDArray[np.float32]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline of a cut-out.

    Attributes:
        mask: uint8 (H, W), 1 in the lungs, else 0.
        lungs: x, y, width and height of the lung on the left of the picture, then of the right one.
    """

    mask: Mask
    lungs: tuple[Box, Box]


def outline_of(image: Mask) -> Outline | None:
    """Find the two lungs of a cut-out.

    Args:
        image: uint8 (H, W), lungs on black.

    Returns:
        The outline; None unless there is one lung on each side.
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
    """Return where two cut-outs both have lung, after aligning the second's lungs to the first's.

    Args:
        one: the outline of the cut-out that is shown.
        other: the outline whose lungs are resized to the boxes of the lungs of `one`.

    Returns:
        uint8 (H, W) of 0 and 1.
    """
    common = np.zeros_like(one.mask)
    for (x, y, w, h), (u, v, p, q) in zip(one.lungs, other.lungs, strict=True):
        laid = cv2.resize(other.mask[v : v + q, u : u + p], (w, h), interpolation=cv2.INTER_NEAREST)
        common[y : y + h, x : x + w] |= one.mask[y : y + h, x : x + w] & laid.astype(np.uint8)
    return common


def graft(radiograph: Image, own: Outline, lungs: Image, outline: Outline, other: Outline) -> Image:
    """Insert the lungs of a cut-out into a radiograph, where all three outlines have lung.

    The grey of the cut-out is shifted so that the darkest tenth of its lungs, the aerated lung, is
    as dark as that of the radiograph's lungs.

    Args:
        radiograph: float32 (H, W) in [0, 1].
        own: the outline of the radiograph's lungs.
        lungs: float32 (H, W) in [0, 1], the cut-out.
        outline: the outline of the cut-out.
        other: the outline of a cut-out of another class.

    Returns:
        float32 (H, W) in [0, 1]; the edges are soft.
    """
    grafted = radiograph.copy()
    dark = [
        np.percentile(pixels[of.mask > 0], 10)
        for pixels, of in ((radiograph, own), (lungs, outline))
    ]
    shift = np.float32(dark[0] - dark[1])
    boxes = zip(own.lungs, outline.lungs, other.lungs, strict=True)
    for (x, y, w, h), (u, v, p, q), (a, b, c, d) in boxes:
        mask = own.mask[y : y + h, x : x + w].copy()
        for part in (outline.mask[v : v + q, u : u + p], other.mask[b : b + d, a : a + c]):
            mask &= cv2.resize(part, (w, h), interpolation=cv2.INTER_NEAREST).astype(np.uint8)
        inner = cv2.erode(mask, np.ones((3, 3), np.uint8)).astype(np.float32)
        soft = cv2.GaussianBlur(inner, (0, 0), EDGE)
        laid = cv2.resize(lungs[v : v + q, u : u + p], (w, h), interpolation=cv2.INTER_AREA)
        place = grafted[y : y + h, x : x + w]
        place += soft * (laid + shift - place)
    return grafted.clip(0, 1)


class CutOuts:
    """The cut-outs among pictures in memory.

    Args:
        images: uint8 (N, 1, H, W), cut-outs and whole radiographs.
        labels: int64 (N,), index of each picture's class.
        is_cut_out: bool (N,), True for cut-outs.
        names: N names: a whole radiograph and its cut-out have the same name. Without names nothing
            is grafted.
        absence: index of the class of healthy radiographs, into which lungs are grafted; None if
            there is no such class, and nothing is grafted.

    Attributes:
        usable: bool (N,), False if a cut-out does not have two lungs, or no partner of another
            class.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        is_cut_out: Tensor,
        names: Sequence[str] = (),
        absence: int | None = None,
    ) -> None:
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
        healthy = (labels == absence).tolist() if absence is not None else [False] * len(labels)
        cut_from = {names[index]: index for index in found if names and healthy[index]}
        self._images = images
        self._healthy = [
            (index, cut_from[name])
            for index, name in enumerate(names)
            if name in cut_from and not is_cut_out[index] and healthy[index]
        ]

    def exchange(
        self,
        images: Tensor,
        chosen: Tensor,
        generator: torch.Generator,
        graft_share: float = 0.0,
    ) -> Tensor:
        """Show cut-outs only in the outline that they share with a cut-out of another class.

        Args:
            images: (n, C, H, W), the chosen pictures; the first channel is grey, in [0, 1] if
                `graft_share` is above 0.
            chosen: (n,), the indices of the chosen pictures.
            generator: a CPU generator, which draws the cut-outs of another class.
            graft_share: the share of the cut-outs that is grafted into healthy radiographs, if
                there are any.

        Returns:
            (n, C, H, W); pictures that are no cut-outs are unchanged.
        """
        shown = images.clone()
        for place, index in enumerate(chosen.tolist()):
            if index in self._outlines and self.usable[index]:
                partner = self._draw(self._partners[self._label_of[index]], generator)
                is_grafted = float(torch.rand((), generator=generator)) < graft_share
                if is_grafted and self._healthy:
                    shown[place, 0] = self._grafted(images[place, 0], index, partner, generator)
                else:
                    common = common_outline(self._outlines[index], self._outlines[partner])
                    shown[place, 0] *= torch.from_numpy(common).to(shown)
        return shown

    def _grafted(
        self, lungs: Tensor, index: int, partner: int, generator: torch.Generator
    ) -> Tensor:
        index_of_whole, own = self._healthy[
            int(torch.randint(len(self._healthy), (1,), generator=generator))
        ]
        whole: Image = self._images[index_of_whole, 0].float().div(255).numpy()
        outlines = self._outlines[index], self._outlines[partner]
        grafted = graft(whole, self._outlines[own], lungs.numpy(), *outlines)
        return torch.from_numpy(grafted)

    @staticmethod
    def _draw(indices: Sequence[int], generator: torch.Generator) -> int:
        return indices[int(torch.randint(len(indices), (1,), generator=generator))]


def _box(stats: NDArray[np.int32]) -> Box:
    x, y, w, h = (int(value) for value in stats[:4])
    return x, y, w, h
