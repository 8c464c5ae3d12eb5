"""Heat maps as images: colour tables, the overlay, and three panels with a colour bar.

All images are RGB. Heat maps stay floats until the last step, the look-up in a table of 256
colours, so the maximum gets the last colour. The viewer in the browser uses the same tables and the
same arithmetic (IEEE doubles, halves rounded up), so it shows the same pixels.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr_gradcam.imaging.pixels import quantize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RGBImage = NDArray[np.uint8]

COLORMAPS = {
    "jet": cv2.COLORMAP_JET,
    "inferno": cv2.COLORMAP_INFERNO,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "turbo": cv2.COLORMAP_TURBO,
    "magma": cv2.COLORMAP_MAGMA,
    "cividis": cv2.COLORMAP_CIVIDIS,
    "grey": None,
}
"""The colour maps by name, as OpenCV's constants; None for grey, which OpenCV lacks."""

PERCEPTUAL = frozenset({"inferno", "viridis", "magma", "cividis", "grey"})
"""The perceptually uniform colour maps, in which equal steps look equally large."""

COLOR_BLIND_SAFE = "cividis"
"""The colour map made for colour-vision deficiency (Nuñez et al., 2018)."""


@cache
def color_table(colormap: int | str = "jet") -> RGBImage:
    """Return the 256 colours of a colour map, from the lowest value to the highest.

    Args:
        colormap: A name of `COLORMAPS` or an OpenCV constant (`cv2.COLORMAP_…`).

    Returns:
        RGB colours (256, 3), read-only.

    Raises:
        ValueError: If there is no such colour map.
    """
    if isinstance(colormap, str) and colormap not in COLORMAPS:
        raise ValueError(f"no colour map {colormap!r}: choose from {', '.join(COLORMAPS)}")
    code = COLORMAPS[colormap] if isinstance(colormap, str) else colormap
    ramp = np.arange(256, dtype=np.uint8)
    try:
        bgr = np.stack([ramp] * 3, axis=1) if code is None else cv2.applyColorMap(ramp, code)
    except cv2.error:
        raise ValueError(
            f"OpenCV has no colour map with the number {colormap}: choose from "
            f"{', '.join(COLORMAPS)}"
        ) from None
    table = np.ascontiguousarray(bgr.reshape(256, 3)[:, ::-1], dtype=np.uint8)
    table.setflags(write=False)
    return table


def colorize(heatmap: NDArray[np.floating], colormap: int | str = "jet") -> RGBImage:
    """Return a heat map in the colours of a colour map.

    Args:
        heatmap: Heat map (H, W) in [0, 1].
        colormap: A name of `COLORMAPS` or an OpenCV constant.

    Returns:
        RGB image (H, W, 3).
    """
    return color_table(colormap)[quantize(heatmap)]


def overlay(
    original: RGBImage,
    heatmap: NDArray[np.floating],
    alpha: float = 0.5,
    colormap: int | str = "jet",
    *,
    fading: bool = False,
    threshold: float = 0.0,
) -> RGBImage:
    """Blend a coloured heat map with an image: (1 - alpha) * image + alpha * colour.

    The opacity is uniform unless `fading` or `threshold` is given.

    Args:
        original: RGB image (H, W, 3).
        heatmap: Heat map (H, W) in [0, 1].
        alpha: Opacity of the map, from 0 (only the image) to 1 (only the map).
        colormap: A name of `COLORMAPS` or an OpenCV constant.
        fading: Whether the opacity is multiplied by the map's value.
        threshold: The map's value, in [0, 1], below which only the image is shown.

    Returns:
        RGB image (H, W, 3).

    Raises:
        ValueError: If image and heat map differ in size, or `alpha` or `threshold` is outside
            [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is an opacity from 0 to 1; received {alpha}")
    if not 0 <= threshold <= 1:
        raise ValueError(
            f"threshold is a fraction of the map's maximum from 0 to 1; received {threshold}"
        )
    if original.shape[:2] != heatmap.shape:
        raise ValueError(
            f"image {original.shape[:2]} and heat map {heatmap.shape} differ in size: "
            "resize the map to the image first"
        )
    table = color_table(colormap)
    steps = quantize(heatmap)
    blend = _blend_table(table, _opacities(float(alpha), fading, threshold))
    return np.stack([blend[c][steps, original[..., c]] for c in range(3)], axis=-1)


def _opacities(alpha: float, fading: bool, threshold: float) -> NDArray[np.float64]:
    """Return the opacity at each of the map's 256 steps."""
    steps = np.arange(256, dtype=np.float64)
    opacities = alpha * steps / 255 if fading else np.full(256, alpha)
    return np.where(steps < math.ceil(255 * threshold), 0.0, opacities)


def _blend_table(table: RGBImage, opacities: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return each colour blended with each pixel value: (3 channels, 256 colours, 256 values)."""
    colors = table.T.astype(np.float64)[:, :, None]
    values = np.arange(256, dtype=np.float64)
    alpha = opacities[None, :, None]
    return np.floor((1 - alpha) * values + alpha * colors + 0.5).astype(np.uint8)


def as_rgb(image: Image.Image | NDArray[np.generic]) -> RGBImage:
    """Convert a PIL image or an array to an 8-bit RGB image.

    Args:
        image: A PIL image of 8 or 16 bits; or an array (H, W), (H, W, 1) or (H, W, 3), uint8,
            uint16, or floats in [0, 1].

    Returns:
        RGB image (H, W, 3).

    Raises:
        ValueError: If the array has another shape or type, or floats outside [0, 1].
    """
    if isinstance(image, Image.Image):
        wide = image.mode in ("I", "F") or image.mode.startswith("I;16")
        image = np.asarray(image if wide else image.convert("RGB"))
    values = _as_uint8(image)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim == 2:
        return np.stack([values] * 3, axis=-1)
    if values.ndim != 3 or values.shape[2] != 3:
        raise ValueError(f"an image has the shape (H, W) or (H, W, 3); received {image.shape}")
    return values


def _as_uint8(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    if image.dtype.kind == "u" and image.dtype.itemsize == 2:
        return ((image.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if np.issubdtype(image.dtype, np.floating):
        return quantize(image.astype(np.float64))
    raise ValueError(f"an image is uint8, uint16 or float in [0, 1]; received {image.dtype}")


def three_panels(
    original: RGBImage,
    heatmap: NDArray[np.floating],
    title: str,
    alpha: float = 0.5,
    colormap: int | str = "jet",
    *,
    laid_over: RGBImage | None = None,
) -> Figure:
    """Draw original, heat map and overlay side by side, with a colour bar.

    Args:
        original: RGB image (H, W, 3).
        heatmap: Heat map (H, W) in [0, 1].
        title: The line above the panels.
        alpha: Opacity of the map in the overlay, from 0 to 1.
        colormap: A name of `COLORMAPS` or an OpenCV constant.
        laid_over: The third panel, if it is not an overlay of uniform opacity.

    Returns:
        A matplotlib figure without a window.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    panels = {
        "Original": original,
        "Heat map": colorize(heatmap, colormap),
        "Overlay": overlay(original, heatmap, alpha, colormap) if laid_over is None else laid_over,
    }
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    axes = figure.subplots(1, 3)
    for axis, (name, panel) in zip(axes, panels.items(), strict=True):
        axis.imshow(panel)
        axis.set_title(name)
        axis.set_axis_off()
    colors = ScalarMappable(cmap=ListedColormap(color_table(colormap) / 255.0))
    figure.colorbar(
        colors, ax=axes, label="Relative evidence (1 = this map's maximum)", ticks=[0, 1]
    )
    figure.suptitle(title)
    return figure
