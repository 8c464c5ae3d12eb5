"""The stored values of a radiograph, and the windows for looking at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.imaging.pixels import quantize, row_blocks

AS_SEEN: str = "As the model saw it"
"""The label of the first window."""

# Shares of the pixels, sorted by density from air to the densest bone
_LUNG, _BONE = (0.01, 0.60), (0.40, 0.995)


@dataclass(frozen=True, eq=False)
class Window:
    """How stored values become grey values.

    Attributes:
        label: The window's name on the page.
        low: The stored value that becomes black (before an inversion).
        high: The stored value that becomes white; below `low` if the rescale slope is negative.
        greys: The grey value, 0 to 255, of every stored value from 0 on, with inversion and padding
            applied; None if a straight line from `low` to `high` gives the grey values.
    """

    label: str
    low: float
    high: float
    greys: NDArray[np.uint8] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class PixelSpacing:
    """The distance between the centres of neighbouring pixels.

    Attributes:
        row: From one row to the next, in mm.
        column: From one column to the next, in mm.
        says: Where these distances are measured, in words for the page.
    """

    row: float
    column: float
    says: str


@dataclass(frozen=True, eq=False)
class StoredValues:
    """The stored values of a radiograph, with the attributes that a viewer needs.

    Args:
        values: Stored values (H, W), uint8 or uint16.
        windows: The windows to choose from; the first one gives the pixels that the model saw.
        slope: Factor of the modality value: modality value = slope * stored value + offset.
        offset: Summand of the modality value.
        is_inverted: Whether low values are shown white.
        padding: The first and the last stored value of padding around the image, which is shown
            black; None if there is no padding.
        spacing: The pixel spacing; None if the file has none.
        orientation: The directions of the patient that rows and columns point to (PS3.3
            C.7.6.1.1.1), such as ("L", "F"); None if the file has none.
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
    """Return stored values for a radiograph whose file format has no windows.

    Args:
        pixels: Grey values (H, W) in [0, 1].
        white: The stored value that became 1, at most 65,535.

    Example:
        >>> from_grey(np.array([[0, 1]], np.float32), 4095).values.tolist()
        [[0, 4095]]
    """
    values = empty_values(pixels.shape, white)
    for block in row_blocks(*pixels.shape):
        values[block] = np.rint(pixels[block] * np.float32(white))
    counts = count_values(values, white)
    windows = (Window(AS_SEEN, 0, white), *further_windows(counts, is_inverted=False))
    return StoredValues(values, windows)


def empty_values(shape: tuple[int, ...], greatest: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return an array, not yet filled, of the smallest type that holds a value.

    Args:
        shape: The shape of the array.
        greatest: The greatest value that the array must hold, at most 65,535.
    """
    return np.empty(shape, np.uint8) if greatest < 2**8 else np.empty(shape, np.uint16)


def count_values(values: NDArray[np.unsignedinteger], greatest: int) -> NDArray[np.intp]:
    """Return how often each value from 0 to `greatest` occurs.

    Args:
        values: Values (H, W).
        greatest: The greatest value that may occur.

    Example:
        >>> count_values(np.array([[0, 2, 2]], np.uint8), 3).tolist()
        [1, 0, 2, 0]
    """
    counts = np.zeros(greatest + 1, np.intp)
    for block in row_blocks(*values.shape):  # the counts of a block are exact in its 32-bit floats
        found = cv2.calcHist([values[block]], [0], None, [greatest + 1], [0, greatest + 1])
        counts += found.ravel().astype(np.intp)
    return counts


def further_windows(counts: Sequence[int] | NDArray[np.intp], *, is_inverted: bool) -> list[Window]:
    """Return windows that suit any radiograph.

    A projection radiograph has no absolute unit like the Hounsfield unit of CT, so lungs and bones
    are found by density. "Lungs" spans the values between the 1st and the 60th percentile of the
    pixels' density, "Bones" those between the 40th and the 99.5th; "Equalised" is a histogram
    equalization.

    Args:
        counts: The number of pixels with each stored value from 0 on, without padding.
        is_inverted: Whether low values are dense.

    Returns:
        The windows; an empty list if fewer than two values occur.
    """
    occurring = np.flatnonzero(counts)
    if len(occurring) < 2:
        return []
    shares = np.cumsum(counts) / np.sum(counts)
    ends_of = {"Full range": (int(occurring[0]), int(occurring[-1]))}
    for label, (least, most) in {"Lungs": _LUNG, "Bones": _BONE}.items():
        ends = (1 - most, 1 - least) if is_inverted else (least, most)
        low, high = (int(np.searchsorted(shares, end)) for end in ends)
        ends_of[label] = (low, max(high, low + 1))
    windows = [Window(label, *ends) for label, ends in ends_of.items()]
    equalized = _equalized(shares, is_inverted)
    return [*windows, Window("Equalised", *ends_of["Full range"], equalized)]


def _equalized(shares: NDArray[np.float64], is_inverted: bool) -> NDArray[np.uint8]:
    first = shares[np.flatnonzero(shares)[0]]
    greys = np.clip((shares - first) / max(1 - first, 1e-9), 0, 1)
    return quantize(1 - greys if is_inverted else greys)
