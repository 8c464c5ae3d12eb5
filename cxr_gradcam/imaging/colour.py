"""Colour becomes grey: luma by ITU-R BT.601, as a television or a print would show it."""

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.imaging.radiograph import row_blocks

_WEIGHTS = np.array([0.299, 0.587, 0.114])


def luma(colours: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the luma of red, green and blue.

    Args:
        colours: Whole numbers (H, W, 3).

    Returns:
        Luma (H, W) in the unit of `colours`.

    Example:
        >>> luma(np.array([[[100, 0, 0], [7, 7, 7]]], dtype=np.uint8)).round().tolist()
        [[30.0, 7.0]]
    """
    rows, columns, _ = colours.shape
    grey = np.empty((rows, columns), dtype=np.float32)
    for block in row_blocks(rows, columns):
        grey[block] = colours[block] @ _WEIGHTS
    return grey


def to_unit_range(values: NDArray[np.number], white: int) -> NDArray[np.float32]:
    """Return values in [0, 1]; 1 stands for `white` and what rounding left above it."""
    shown = values.astype(np.float32)
    shown /= np.float32(white)
    return np.clip(shown, 0, 1, out=shown)
