"""Colour becomes grey: luma by ITU-R BT.601, as a television or a print would show it."""

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.imaging.radiograph import row_blocks

_WEIGHTS = np.array([0.299, 0.587, 0.114])


def luma(colours: NDArray[np.number]) -> NDArray[np.float32]:
    """Return the luma of red, green and blue.

    Args:
        colours: Whole numbers (H, W, 3).

    Returns:
        Luma (H, W) in the unit of `colours`.

    Example:
        >>> luma(np.array([[[100, 0, 0], [7, 7, 7]]], dtype=np.uint8)).round().tolist()
        [[30.0, 7.0]]
    """
    return np.asarray(colours @ _WEIGHTS, dtype=np.float32)


def to_unit_range(values: NDArray[np.number], white: int) -> NDArray[np.float32]:
    """Return values in [0, 1]; 1 stands for `white` and what rounding left above it.

    Args:
        values: (H, W), or whole numbers (H, W, 3) whose luma is meant.
        white: what becomes 1.

    Returns:
        Grey values (H, W).
    """
    rows, columns = values.shape[:2]
    shown = np.empty((rows, columns), np.float32)
    for block in row_blocks(rows, columns):
        shown[block] = luma(values[block]) if values.ndim == 3 else values[block]
    shown /= np.float32(white)
    return np.clip(shown, 0, 1, out=shown)
