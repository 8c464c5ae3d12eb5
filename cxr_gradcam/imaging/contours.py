"""Contour lines of a heat map, which mark its strong regions without hiding the anatomy.

The viewer in the browser draws by the same rule, so its downloads have the same pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.imaging.rendering import RGBImage, color_table

CONTOURS: tuple[float, ...] = (0.5, 0.75, 0.9)
"""The levels of the lines, as fractions of the map's maximum."""

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
    """Draw contour lines of a heat map over an image, each with a black edge.

    A pixel belongs to a line where one of its four neighbours, at the distance of the line's width,
    has a lower level. A pixel is black where an adjacent pixel has a higher level.

    Args:
        original: RGB image (H, W, 3).
        heatmap: Heat map (H, W) in [0, 1].
        colormap: A name of `rendering.COLORMAPS` or an OpenCV constant; it gives each line the
            colour of its level.
        levels: The levels of the lines, as fractions of the map's maximum, in rising order.
        line_width: Width of the lines in pixels; None for 1/400 of the shorter side.
        colors: RGB colours of the lines, instead of the colour map's.

    Returns:
        RGB image (H, W, 3), unchanged between the lines.

    Raises:
        ValueError: If image and heat map differ in size.

    Example:
        >>> image, heatmap = np.full((1, 4, 3), 9, np.uint8), np.array([[0, 0, 1, 1.0]])
        >>> contour_overlay(image, heatmap, "grey")[0, :, 0].tolist()
        [9, 0, 230, 9]
    """
    if original.shape[:2] != heatmap.shape:
        raise ValueError(
            f"image {original.shape[:2]} and heat map {heatmap.shape} differ in size: "
            "resize the map to the image first"
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
    """Yield the values to the left, above, right and below; edge values repeat beyond the edge."""
    height, width = values.shape
    for step in (-distance, distance):
        yield values[:, np.clip(np.arange(width) + step, 0, width - 1)]
        yield values[np.clip(np.arange(height) + step, 0, height - 1)]
