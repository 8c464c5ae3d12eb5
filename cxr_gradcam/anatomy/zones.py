"""The part of the chest at a place of a radiograph, in radiological terms."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.anatomy.network import SIDE
from cxr_gradcam.anatomy.outline import Lungs, Mask

HILUM_HEIGHT = 0.5
"""Position of the hilum at the lung's inner edge, as a share of the lung's height from its top."""
HILUM_RADIUS = 0.11
"""Radius of the hilum, as a share of the lung's height."""

_ENDS = {"right": 0.3, "left": 0.12}
"""Share of a lung's height, from either end, in which its edge counts as apex or diaphragm.

Above that, the heart forms the left lung's lower edge.
"""

Zones = NDArray[np.uint8]


class Zone(IntEnum):
    """Parts of the chest; those from `UPPER` on have a side."""

    OUTSIDE = 0
    ABOVE = 1
    BELOW = 2
    MEDIASTINUM = 3
    UPPER = 4
    MIDDLE = 5
    LOWER = 6
    HILUM = 7
    WALL = 8


LUNG_ZONES = frozenset({Zone.UPPER, Zone.MIDDLE, Zone.LOWER, Zone.HILUM})

AT_RIGHT = 16
"""Added to a zone with a side if it is at the right of the picture."""

_WORDS = {
    Zone.OUTSIDE: "outside the body",
    Zone.ABOVE: "above the lungs",
    Zone.BELOW: "below the diaphragm",
    Zone.MEDIASTINUM: "heart and mediastinum",
    Zone.UPPER: "{}lung, upper zone",
    Zone.MIDDLE: "{}lung, middle zone",
    Zone.LOWER: "{}lung, lower zone",
    Zone.HILUM: "{}hilum",
    Zone.WALL: "{}chest wall",
}


@dataclass(frozen=True)
class Place:
    """The position of a map's strongest place, and how much of the map lies in the lungs.

    Attributes:
        zone: the part of the chest.
        side: the patient's side, "right" or "left"; None if the part has none.
        words: zone and side in words. If the file does not state the sides, the picture's side is
            named, and the patient's in the usual view.
        share_in_lungs: share of the map's sum in the lungs, in [0, 1]; hila count as lung.
    """

    zone: Zone
    side: str | None
    words: str
    share_in_lungs: float


def locate(
    heatmap: NDArray[np.floating], lungs: Lungs, hottest: tuple[float, float] | None = None
) -> Place | None:
    """Say where a map is strongest.

    Args:
        heatmap: (h, w), at least 0, over the whole radiograph at any size.
        lungs: lungs of the same radiograph.
        hottest: (x, y) of the strongest place in pixels of the radiograph; None for the map's
            maximum.

    Returns:
        The place; None if the map is empty or the lungs are not plausible.
    """
    if not lungs.is_plausible or not heatmap.max() > 0:
        return None
    zones = zone_map(lungs)
    code = int(zones[_strongest(heatmap) if hottest is None else _on_square(hottest, lungs.size)])
    small = cv2.resize(heatmap.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    within = np.isin(zones % AT_RIGHT, [*LUNG_ZONES])
    share = float(small[within].sum() / small.sum())
    return Place(Zone(code % AT_RIGHT), _side(code, lungs), in_words(code, lungs), share)


def _strongest(heatmap: NDArray[np.floating]) -> tuple[int, int]:
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    return _on_square((float(column) + 0.5, float(row) + 0.5), heatmap.shape)


def _on_square(place: tuple[float, float], size: tuple[int, ...]) -> tuple[int, int]:
    """Return row and column on the square of `zone_map` for (x, y) on a picture (H, W)."""
    x, y = (
        min(int(value / length * SIDE), SIDE - 1)
        for value, length in zip(place, size[::-1], strict=True)
    )
    return y, x


def in_words(code: int, lungs: Lungs) -> str:
    """Return the words for a code of `zone_map`.

    Example:
        >>> empty = np.zeros((2, SIDE, SIDE), np.float32)
        >>> lungs = Lungs((9, 9), empty, empty[0] > 0, 0.0)
        >>> in_words(Zone.UPPER, lungs)
        "lung, upper zone (image left, the patient's right in the usual view)"
    """
    words, side = _WORDS[Zone(code % AT_RIGHT)], _side(code, lungs)
    if side is None:
        return words
    if lungs.side_is_stated:
        return words.format(f"{side} ")
    at = "right" if code >= AT_RIGHT else "left"
    return f"{words.format('')} (image {at}, the patient's {side} in the usual view)"


def _side(code: int, lungs: Lungs) -> str | None:
    if code % AT_RIGHT < Zone.UPPER:
        return None
    is_right = (code < AT_RIGHT) == (lungs.right_side == "left")
    return "right" if is_right else "left"


def zone_map(lungs: Lungs) -> Zones:
    """Divide a radiograph into zones.

    Lungs are divided by thirds of each lung's height. The diaphragm is the lungs' lower edge, with
    a straight line between them; heart and mediastinum lie between the lungs.

    Args:
        lungs: the lungs; both must be present.

    Returns:
        uint8 (128, 128) on the radiograph resized to a square: a `Zone` for each pixel, plus
        `AT_RIGHT` for zones with a side at the right of the picture.
    """
    masks = lungs.masks
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    top, bottom = _edges(lungs)
    inner = [_inner_edge(mask, side) for side, mask in enumerate(masks)]
    middle = (inner[0] + inner[1]) / 2
    sided = np.where(column > middle[:, None], AT_RIGHT, 0)
    zones = Zone.WALL + sided
    zones[(column > inner[0][:, None]) & (column < inner[1][:, None])] = Zone.MEDIASTINUM
    zones[row < top] = Zone.ABOVE
    zones[row > bottom] = Zone.BELOW
    for side, mask in enumerate(masks):
        _divide(zones, mask, inner[side], side * AT_RIGHT)
    zones[~lungs.body & ~masks[0] & ~masks[1]] = Zone.OUTSIDE
    return zones.astype(np.uint8)


def _divide(zones: NDArray[np.int_], lung: Mask, inner: NDArray[np.floating], at: int) -> None:
    """Fill in a lung's thirds and its hilum."""
    rows = np.flatnonzero(lung.any(axis=1))
    height = rows[-1] - rows[0] + 1
    third = (np.arange(SIDE) - rows[0]) * 3 // height
    for number, zone in enumerate((Zone.UPPER, Zone.MIDDLE, Zone.LOWER)):
        zones[lung & (third == number)[:, None]] = zone + at
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    hilum = round(rows[0] + HILUM_HEIGHT * (height - 1))
    near = np.hypot(row - hilum, column - inner[hilum]) < HILUM_RADIUS * height
    zones[near] = Zone.HILUM + at


def _inner_edge(lung: Mask, side: int) -> NDArray[np.floating]:
    """Return the column of a lung's inner edge in each row; beyond the lung, that of its end."""
    rows = np.flatnonzero(lung.any(axis=1))
    edge = lung.shape[1] - 1 - lung[:, ::-1].argmax(axis=1) if side == 0 else lung.argmax(axis=1)
    return np.asarray(np.interp(np.arange(SIDE), rows, edge[rows]))


def _edges(lungs: Lungs) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the row of the lungs' upper and of their lower edge in each column.

    Only the top and the base of each lung are used, not its sides, with a straight line in between.
    """
    tops, bottoms = dict[int, float](), dict[int, float]()
    sides = ("right", "left") if lungs.right_side == "left" else ("left", "right")
    for side, mask in zip(sides, lungs.masks, strict=True):
        rows = np.flatnonzero(mask.any(axis=1))
        reach = _ENDS[side] * (rows[-1] - rows[0])
        columns = np.flatnonzero(mask.any(axis=0))
        first = mask.argmax(axis=0)
        last = SIDE - 1 - mask[::-1].argmax(axis=0)
        tops |= {int(c): float(first[c]) for c in columns if first[c] <= rows[0] + reach}
        bottoms |= {int(c): float(last[c]) for c in columns if last[c] >= rows[-1] - reach}
    upper, lower = (
        np.interp(np.arange(SIDE), sorted(line), [line[c] for c in sorted(line)])
        for line in (tops, bottoms)
    )
    return upper, lower
