"""Cover a place of a radiograph: by clear lung within the lungs, by its surroundings elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.anatomy.outline import Lungs, Mask

MARGIN = 0.35
"""Width of the filled margin around a covered place, in radii of a disc of the place's area."""
LEAST_MARGIN, MOST_MARGIN = 0.018, 0.04
"""The least and the greatest margin, as shares of the picture's side."""
EDGE = 0.018
"""Standard deviation of the soft edge, as a share of the picture's side."""
COARSE = 0.027
"""Standard deviation that separates lung density from ribs and vessels, as a share of the side."""
LEAST_CHANGE = 0.02
"""Where density falls by more than this, ribs and vessels come from the other lung."""
NEAR = 0.09
"""Standard deviation of the surroundings that fill a place outside the lungs, as for `EDGE`."""
BLUR = 0.03
"""Standard deviation of the blur of a place without surroundings, as for `EDGE`.

With more blur the picture is unlike a radiograph, and the answer says nothing about the place.
"""
LITTLE = 0.02
"""The share of surroundings below which the blur dominates."""

Grey = NDArray[np.float32]


def cover(pixels: Grey, place: Mask, lungs: Lungs) -> Grey:
    """Cover a place of a radiograph.

    Within the lungs, the density is replaced by that of the same place of the other lung if this is
    darker, with its ribs and vessels; it is at most the median density of the lungs around the
    place. Nothing becomes denser, so clear lung hardly changes. Elsewhere the surroundings outside
    the lungs are extended into the place; a place without surroundings, such as all outside the
    lungs, is blurred.

    Args:
        pixels: grey values (h, w) in [0, 1], high = dense, of the whole radiograph at any size.
        place: bool (h, w), the place to cover; it is widened a little, and gets a soft edge.
        lungs: lungs of the same radiograph.

    Returns:
        float32 (h, w) in [0, 1].

    Example:
        >>> from cxr_gradcam.anatomy.outline import outline_lungs
        >>> from cxr_gradcam.imaging.radiograph import Radiograph
        >>> from cxr_gradcam.synthetic.chest import draw_phantom
        >>> ill = draw_phantom(3, size=128, opacity=True)
        >>> lungs = outline_lungs(Radiograph(ill.pixels))
        >>> covered = cover(ill.pixels, ill.lesion_mask, lungs)
        >>> bool(covered[ill.lesion_mask].mean() < ill.pixels[ill.lesion_mask].mean())
        True
    """
    weight = _soft(place)
    if lungs.is_plausible:
        clear, inside = _clear_lung(pixels, weight, lungs)
    else:
        clear, inside = pixels, np.zeros_like(pixels)
    filled = inside * clear + (1 - inside) * _surroundings(pixels, weight, inside)
    return np.asarray((pixels + weight * (filled - pixels)).clip(0, 1), np.float32)


def _surroundings(pixels: Grey, weight: Grey, inside: Grey) -> Grey:
    """Extend the pixels that are neither covered nor lung into all others."""
    known = (1 - weight) * (1 - inside)
    grown = _blurred(pixels * known, NEAR) + LITTLE * _blurred(pixels, BLUR)
    return np.asarray(grown / (_blurred(known, NEAR) + LITTLE), np.float32)


def _clear_lung(pixels: Grey, weight: Grey, lungs: Lungs) -> tuple[Grey, Grey]:
    """Return the picture with clear lungs, and where the lungs are, in [0, 1]."""
    height, width = pixels.shape
    masks = [
        np.asarray(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR)) > 0.5
        for share in lungs.shares
    ]
    either = masks[0] | masks[1]
    density = _density_within(pixels, either)
    across = _Across.of(masks)
    other, others_detail = across.bring(density), across.bring(pixels - density)
    around = density[either & (weight < 0.01)]
    most = np.median(around if around.size else density[either])
    clear = np.minimum(np.minimum(density, other), most)
    denser = _blurred((clear < density - LEAST_CHANGE).astype(np.float32), COARSE)
    detail = (pixels - density) * (1 - denser) + others_detail * denser
    return clear + detail, _blurred(either.astype(np.float32), EDGE / 3)


@dataclass(frozen=True, eq=False)
class _Across:
    """For each place of a lung, the same place of the other lung.

    Attributes:
        column: (h, w), the column of the same place; 0 outside the lungs.
        row: (h, w), the row of the same place; 0 outside the lungs.
    """

    column: Grey
    row: Grey

    @classmethod
    def of(cls, masks: list[Mask]) -> _Across:
        """Match places by relative position in a lung's height, and in its width in that row."""
        spans = [_Span.of(mask) for mask in masks]
        row, column = (np.zeros(masks[0].shape, np.float32) for _ in range(2))
        y, x = np.indices(masks[0].shape, np.float32)
        for mask, own, other in zip(masks, spans, spans[::-1], strict=True):
            down = (y - own.top) / max(own.bottom - own.top, 1)
            there = other.top + down * (other.bottom - other.top)
            breadth = np.maximum(own.right - own.left, 1)
            share = (x - own.left[:, None]) / breadth[:, None]
            rows = np.arange(len(mask))
            left, right = (
                np.asarray(np.interp(there, rows, edge)) for edge in (other.left, other.right)
            )
            column[mask] = np.asarray(right - share * (right - left))[mask]
            row[mask] = np.asarray(there)[mask]
        return cls(column, row)

    def bring(self, pixels: Grey) -> Grey:
        """Return the values (h, w) at the same place of the other lung."""
        return np.asarray(cv2.remap(pixels, self.column, self.row, cv2.INTER_LINEAR))


@dataclass(frozen=True, eq=False)
class _Span:
    """The rows of a lung's ends, and the columns (h,) of its sides in each row."""

    top: int
    bottom: int
    left: NDArray[np.floating]
    right: NDArray[np.floating]

    @classmethod
    def of(cls, lung: Mask) -> _Span:
        rows = np.flatnonzero(lung.any(axis=1))
        first = lung.argmax(axis=1)
        last = lung.shape[1] - 1 - lung[:, ::-1].argmax(axis=1)
        every = np.arange(len(lung))
        left, right = (np.interp(every, rows, side[rows]) for side in (first, last))
        return cls(int(rows[0]), int(rows[-1]), left, right)


def _density_within(pixels: Grey, lung: Mask) -> Grey:
    """Return grey values without ribs and vessels: smoothed within the lung only."""
    inside = lung.astype(np.float32)
    weight = _blurred(inside, COARSE)
    return np.asarray(_blurred(pixels * inside, COARSE) / np.maximum(weight, 1e-3), np.float32)


def _soft(place: Mask) -> Grey:
    """Return how much of each pixel is covered, in [0, 1], including a margin of the place."""
    reach = MARGIN * np.sqrt(place.sum() / np.pi) / max(place.shape)
    return _blurred(_widened(place, min(max(reach, LEAST_MARGIN), MOST_MARGIN)), EDGE)


def outside(lungs: Mask) -> Mask:
    """Return the region (H, W) that can be covered without changing both lungs (H, W).

    Its distance from the lungs is the margin and soft edge of a covered place.
    """
    return np.asarray(_widened(lungs, MOST_MARGIN + EDGE) == 0)


def _widened(place: Mask, share: float) -> Grey:
    """Return a place (H, W) widened by a fraction of the picture's side, as 0 and 1."""
    reach = max(round(share * max(place.shape)), 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(place.astype(np.float32), disc))


def _blurred(pixels: Grey, share: float) -> Grey:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), share * max(pixels.shape)), np.float32)
