"""From values in [0, 1] to the 256 steps that screens and pictures have."""

import numpy as np
from numpy.typing import NDArray

WHITE: int = 255


def quantize(heatmap: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Round values in [0, 1], of any shape, to 256 steps.

    Raises:
        ValueError: values outside [0, 1], or no finite numbers.
    """
    if not (heatmap.min() >= 0 and heatmap.max() <= 1):
        raise ValueError(
            f"a heat map lies in [0, 1], this one in [{heatmap.min()}, {heatmap.max()}]"
        )
    return (heatmap.astype(np.float64) * 255 + 0.5).astype(np.uint8)
