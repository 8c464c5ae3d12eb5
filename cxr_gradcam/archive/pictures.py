"""The pictures for a viewer that shows no maps: overlay and contours, each with its legend."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.archive.identity import Result
from cxr_gradcam.archive.legend import CONTOURS, color_bar, contour_key, with_legend
from cxr_gradcam.imaging.reading import Radiograph
from cxr_gradcam.imaging.rendering import RGBImage, as_rgb, overlay

SHORTEST, LONGEST = 640, 2048
"""The bounds of a picture's longer side, in pixels; an image beyond them is scaled."""


def overlay_picture(result: Result, radiograph: Radiograph) -> RGBImage:
    """Draw the map over the image.

    Args:
        result: with the map.
        radiograph: the image.

    Returns:
        RGB picture (H, W, 3): the image, and the legend below it.
    """
    image, heatmap = _scaled(radiograph.pixels), _scaled(result.explanation.heatmap)
    return with_legend(overlay(as_rgb(image), heatmap), result, color_bar)


def contour_picture(result: Result, radiograph: Radiograph) -> RGBImage:
    """Draw lines where the map reaches the shares of its maximum in `CONTOURS`.

    Args:
        result: with the map.
        radiograph: the image, which shows between the lines unchanged.

    Returns:
        RGB picture (H, W, 3): the image, and the legend below it.
    """
    picture = as_rgb(_scaled(radiograph.pixels))
    _draw_contours(picture, _scaled(result.explanation.heatmap))
    return with_legend(picture, result, contour_key)


def _draw_contours(picture: RGBImage, heatmap: NDArray[np.float32]) -> None:
    width = max(1, max(heatmap.shape) // 500)
    for share, color in CONTOURS.items():
        inside = (heatmap >= share * heatmap.max()) & (heatmap > 0)
        lines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, lines, -1, color, width)


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    longer = max(values.shape)
    factor = min(max(longer, SHORTEST), LONGEST) / longer
    rows, columns = (max(1, round(side * factor)) for side in values.shape)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.clip(cv2.resize(values, (columns, rows), interpolation=how), 0, 1)
