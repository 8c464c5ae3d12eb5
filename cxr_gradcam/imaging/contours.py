"""Contour lines of a heat map: they show its strong places and hide no anatomy.

The viewer in the browser draws by the same rule, and its download has the same pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.imaging.rendering import RGBImage, color_table

CONTOURS: tuple[float, ...] = (0.5, 0.75, 0.9)
"""Where lines are drawn, as shares of the map's maximum."""

Colors = Sequence[tuple[int, int, int]]


def contour_overlay(
    original: RGBImage,
    heatmap: NDArray[np.floating],
    colormap: int | str = "jet",
    *,
    levels: Sequence[float] = CONTOURS,
    line_width: int | None = None,
    colors: Colors | None = None,
) -> RGBImage:
    """Draw contour lines of a map over an image, each with a dark line around it.

    A pixel lies on a line where one of its four neighbours at the distance of the line's width is
    of a lower level, and is black where one beside it is of a higher level.

    Args:
        original: RGB image (H, W, 3).
        heatmap: (H, W), in [0, 1].
        colormap: as in `rendering.color_table`; gives each line the colour of its level.
        levels: shares of the map's maximum, rising.
        line_width: in pixels; None for a 400th of the shorter side.
        colors: RGB colours of the lines, in place of the colour map's.

    Returns:
        RGB image (H, W, 3), unchanged between the lines.

    Raises:
        ValueError: sizes that differ.

    Example:
        >>> image, heatmap = np.full((1, 4, 3), 9, np.uint8), np.array([[0, 0, 1, 1.0]])
        >>> contour_overlay(image, heatmap, "grey")[0, :, 0].tolist()
        [9, 0, 230, 9]
    """
    if original.shape[:2] != heatmap.shape:
        raise ValueError(
            f"image {original.shape[:2]} and heat map {heatmap.shape} differ in size: "
            "bring the map to the image's grid first"
        )
    steps = [math.ceil(255 * level) for level in levels]
    reached = np.searchsorted(steps, quantize(heatmap), side="right").astype(np.int8)
    width = line_width or max(1, round(min(heatmap.shape) / 400))
    lines = np.zeros(heatmap.shape, dtype=bool)
    for neighbour in _neighbours(reached, width):
        lines |= neighbour < reached
    around = np.zeros(heatmap.shape, dtype=bool)
    for neighbour in _neighbours(reached, 1):
        around |= neighbour > reached
    palette = np.array(colors or color_table(colormap)[steps], dtype=np.uint8)
    drawn = original.copy()
    drawn[around] = 0
    drawn[lines] = palette[reached[lines] - 1]
    return drawn


def _neighbours(values: NDArray[np.int8], distance: int) -> Iterator[NDArray[np.int8]]:
    """Yield the values to the left, right, above and below; beyond the edge, those at the edge."""
    height, width = values.shape
    for step in (-distance, distance):
        yield values[:, np.clip(np.arange(width) + step, 0, width - 1)]
        yield values[np.clip(np.arange(height) + step, 0, height - 1)]
