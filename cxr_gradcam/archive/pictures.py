"""Pictures for viewers that cannot show maps: overlay and contours, each with a legend.

The legend explains the colours, and names finding, probability, model and intended use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cxr_gradcam.archive.identity import DISCLAIMER, Result
from cxr_gradcam.imaging.contours import contour_overlay
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.imaging.rendering import RGBImage, as_rgb, color_table, overlay

SHORTEST, LONGEST = 640, 2048
"""Bounds of a picture's longer side, in pixels; a radiograph beyond them is scaled."""

CONTOURS = {0.5: (80, 200, 255), 0.75: (255, 200, 0), 0.9: (255, 80, 80)}
"""The colours (RGB) of the contours, by their share of the map's maximum."""

_NARROWEST = 320
_WHITE, _AMBER = (255, 255, 255), (255, 191, 0)

Key = Callable[[Image.Image, tuple[int, int], int], None]
"""A function that draws the legend: on a canvas, at (x, y), with a letter height in pixels."""


def overlay_picture(result: Result, radiograph: Radiograph) -> RGBImage:
    """Draw the map over the radiograph.

    Args:
        result: the result, whose explanation holds the map.
        radiograph: the radiograph.

    Returns:
        RGB picture (H, W, 3): the radiograph, and the legend below it.
    """
    image, heatmap = _scaled(radiograph.pixels), _scaled(result.explanation.heatmap)
    return _with_legend(overlay(as_rgb(image), heatmap), result, _color_bar)


def contour_picture(result: Result, radiograph: Radiograph) -> RGBImage:
    """Draw lines at the levels `CONTOURS`, which are fractions of the map's maximum.

    Args:
        result: the result, whose explanation holds the map.
        radiograph: the radiograph, which stays unchanged between the lines.

    Returns:
        RGB picture (H, W, 3): the radiograph, and the legend below it.
    """
    image, heatmap = _scaled(radiograph.pixels), _scaled(result.explanation.heatmap)
    picture = contour_overlay(
        as_rgb(image), heatmap, levels=tuple(CONTOURS), colors=tuple(CONTOURS.values())
    )
    return _with_legend(picture, result, _contour_key)


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    longer = max(values.shape)
    factor = min(max(longer, SHORTEST), LONGEST) / longer
    rows, columns = (max(1, round(side * factor)) for side in values.shape)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.clip(cv2.resize(values, (columns, rows), interpolation=how), 0, 1)


def reduced(radiograph: Radiograph) -> NDArray[np.uint8]:
    """Return the grey values of a radiograph in 8 bits, at the size of the pictures."""
    return np.rint(255 * _scaled(radiograph.pixels)).astype(np.uint8)


def _with_legend(picture: RGBImage, result: Result, key: Key) -> RGBImage:
    """Add a legend below a picture, and the disclaimer in its upper left corner.

    Args:
        picture: RGB (H, W, 3).
        result: the result that the legend describes.
        key: draws the legend of the colours.

    Returns:
        RGB picture, higher than `picture`, and at least 320 pixels wide.
    """
    height, width = picture.shape[0], max(picture.shape[1], _NARROWEST)
    size = max(12, width // 45)
    lines = [line for text in _facts(result) for line in _wrapped(text, size, width - size)]
    canvas = Image.new("RGB", (width, height + size * 3 * (len(lines) + 3) // 2))
    canvas.paste(Image.fromarray(picture), ((width - picture.shape[1]) // 2, 0))
    margin = size // 2
    _write(canvas, (margin, margin), DISCLAIMER, size * 4 // 3, _AMBER)
    if not result.explanation.is_empty:
        key(canvas, (margin, height + margin), size)
    for number, line in enumerate(lines):
        _write(canvas, (margin, height + size * 3 * (number + 2) // 2), line, size)
    return np.asarray(canvas)


def _color_bar(canvas: Image.Image, at: tuple[int, int], size: int) -> None:
    """Draw the colours of the overlay, from 0 to 1.

    Args:
        canvas: the image to draw on.
        at: (x, y) of the upper left corner.
        size: size of the letters, in pixels.
    """
    x, y = at
    bar = np.broadcast_to(color_table(), (size, 256, 3)).astype(np.uint8)
    width = size * 6
    _write(canvas, (x, y), "0", size)
    canvas.paste(Image.fromarray(bar).resize((width, size)), (x + size, y))
    _write(canvas, (x + size * 3 // 2 + width, y), "1 = this map's maximum", size)


def _contour_key(canvas: Image.Image, at: tuple[int, int], size: int) -> None:
    """Draw the lines of the contours, each with its level.

    Args:
        canvas: the image to draw on.
        at: (x, y) of the upper left corner.
        size: size of the letters, in pixels.
    """
    x, y = at
    for share, color in CONTOURS.items():
        line = (x, y + size // 2, x + size, y + size // 2)
        ImageDraw.Draw(canvas).line(line, color, max(2, size // 6))
        _write(canvas, (x + size * 3 // 2, y), f"{share:.0%}", size)
        x += size * 4
    _write(canvas, (x, y), "of this map's maximum", size)


def _facts(result: Result) -> Iterator[str]:
    explanation, algorithm = result.explanation, result.algorithm
    verdict = "" if explanation.verdict is None else f" ({explanation.verdict})"
    yield f"{result.finding}: {explanation.probabilities[result.finding]:.1%}{verdict}"
    if explanation.is_familiar is False:
        yield "Unlike the X-rays that the model was trained on: do not rely on it."
    yield f"Map: {result.title}. " + (
        "Nothing in the image answers this: the map is empty."
        if explanation.is_empty
        else "It shows where the model looked, not where disease is."
    )
    yield f"{algorithm.name} {algorithm.version}, weights {algorithm.checksum[:12]}"


def _wrapped(text: str, size: int, width: int) -> list[str]:
    font, lines = ImageFont.load_default(size), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _write(
    canvas: Image.Image,
    at: tuple[int, int],
    text: str,
    size: int,
    color: tuple[int, int, int] = _WHITE,
) -> None:
    ImageDraw.Draw(canvas).text(
        at, text, color, ImageFont.load_default(size), stroke_width=size // 10, stroke_fill="black"
    )
