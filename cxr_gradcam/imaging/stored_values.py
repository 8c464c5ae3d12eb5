"""The values of a radiograph as its file stores them, and the windows to look at them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.imaging.pixels import quantize, row_blocks

AS_SEEN: str = "As the model saw it"
"""What the first window is called."""

# Of the values from air to the densest bone, by density: what shows the lungs, and the bones.
_LUNG, _BONE = (0.01, 0.60), (0.40, 0.995)


@dataclass(frozen=True, eq=False)
class Window:
    """How stored values become grey.

    Attributes:
        label: what a reader calls it.
        low: the stored value that becomes black (before an inversion).
        high: the stored value that becomes white; below `low` where the file's slope is negative.
        greys: the grey of every stored value from 0 on, inversion and padding included, where no
            straight line gives it; else None.
    """

    label: str
    low: float
    high: float
    greys: NDArray[np.uint8] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class PixelSpacing:
    """How far apart the centres of neighbouring pixels are.

    Attributes:
        row: from one row to the next, in mm.
        column: from one column to the next, in mm.
        says: where these distances are measured, in words.
    """

    row: float
    column: float
    says: str


@dataclass(frozen=True, eq=False)
class StoredValues:
    """A radiograph's stored values, and what a viewer must know of them.

    Args:
        values: (H, W), unsigned, 8 or 16 bits.
        windows: the first is the one that the model's picture was made with.
        slope: modality value = slope * stored value + offset.
        offset: as in `slope`.
        is_inverted: whether low values are dense (MONOCHROME1).
        padding: the first and the last stored value that stand for no picture; shown black.
        spacing: None where the file says nothing of it.
        orientation: the directions of the patient that rows and columns run to (PS3.3
            C.7.6.1.1.1), such as ("L", "F").
    """

    values: NDArray[np.uint8] | NDArray[np.uint16] = field(repr=False)
    windows: tuple[Window, ...]
    slope: float = 1.0
    offset: float = 0.0
    is_inverted: bool = False
    padding: tuple[int, int] | None = None
    spacing: PixelSpacing | None = None
    orientation: tuple[str, str] | None = None


def from_grey(pixels: NDArray[np.float32], white: int) -> StoredValues:
    """Return the stored values of a picture without a grey scale of its own.

    Args:
        pixels: its grey values (H, W) in [0, 1].
        white: the stored value that became 1, at most 65,535.

    Example:
        >>> from_grey(np.array([[0, 1]], np.float32), 4095).values.tolist()
        [[0, 4095]]
    """
    values = room_for(pixels.shape, white)
    for block in row_blocks(*pixels.shape):
        values[block] = np.rint(pixels[block] * np.float32(white))
    counts = count_values(values, white)
    windows = (Window(AS_SEEN, 0, white), *further_windows(counts, is_inverted=False))
    return StoredValues(values, windows)


def room_for(shape: tuple[int, ...], greatest: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return an array, not yet filled, for whole numbers from 0 to `greatest` in few bytes."""
    return np.empty(shape, np.uint8) if greatest < 2**8 else np.empty(shape, np.uint16)


def count_values(values: NDArray[np.unsignedinteger], greatest: int) -> NDArray[np.intp]:
    """Return how often each value from 0 to `greatest` occurs.

    Example:
        >>> count_values(np.array([[0, 2, 2]], np.uint8), 3).tolist()
        [1, 0, 2, 0]
    """
    counts = np.zeros(greatest + 1, np.intp)
    for block in row_blocks(*values.shape):
        counts += np.bincount(values[block].ravel(), minlength=greatest + 1)
    return counts


def further_windows(counts: Sequence[int] | NDArray[np.intp], *, is_inverted: bool) -> list[Window]:
    """Return windows that suit any radiograph, made from how often each value occurs.

    A projection radiograph has no absolute unit, as CT has: lungs and bones are found by density.
    "Lungs" spans the values between the 1st and the 60th per cent of the pixels by density,
    "Bones" those between the 40th and 99.5th; "Equalised" makes every grey equally frequent.

    Args:
        counts: how many pixels, padding left out, have each stored value from 0 on.
        is_inverted: whether low values are dense.
    """
    seen = np.flatnonzero(counts)
    if len(seen) < 2:
        return []
    shares = np.cumsum(counts) / np.sum(counts)
    named = {"Full range": (int(seen[0]), int(seen[-1]))}
    for label, (least, most) in {"Lungs": _LUNG, "Bones": _BONE}.items():
        ends = (1 - most, 1 - least) if is_inverted else (least, most)
        low, high = (int(np.searchsorted(shares, end)) for end in ends)
        named[label] = (low, max(high, low + 1))
    windows = [Window(label, *ends) for label, ends in named.items()]
    return [*windows, Window("Equalised", *named["Full range"], _equalised(shares, is_inverted))]


def _equalised(shares: NDArray[np.float64], is_inverted: bool) -> NDArray[np.uint8]:
    first = shares[np.flatnonzero(shares)[0]]
    even = np.clip((shares - first) / max(1 - first, 1e-9), 0, 1)
    if is_inverted:
        even = 1 - even
    return quantize(even)
