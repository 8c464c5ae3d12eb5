"""Heat maps as pictures: colour tables, the overlay, the three panels with their colour bar.

All images are RGB. Maps stay floats until the last step, the look-up in a table of 256 colours,
so the hottest pixel gets the hottest colour. The viewer in the browser uses the same tables and
the same arithmetic (IEEE doubles, rounded half up) and shows the same pixels.
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
"""The colour maps by name, as OpenCV's constants; grey is its own table."""

PERCEPTUAL = frozenset({"inferno", "viridis", "magma", "cividis", "grey"})
"""The colour maps in which equal steps look equally large."""

COLOR_BLIND_SAFE = "cividis"
"""The colour map that looks alike with and without colour blindness (Nuñez et al., 2018)."""


@cache
def color_table(colormap: int | str = "jet") -> RGBImage:
    """Return the 256 colours of a colour map, from the weakest to the strongest.

    Args:
        colormap: a name of `COLORMAPS` or an OpenCV constant (`cv2.COLORMAP_…`).

    Returns:
        Table (256, 3), RGB, read-only.

    Raises:
        ValueError: no such colour map.
    """
    if isinstance(colormap, str) and colormap not in COLORMAPS:
        raise ValueError(f"no colour map {colormap!r}: choose from {', '.join(COLORMAPS)}")
    code = COLORMAPS[colormap] if isinstance(colormap, str) else colormap
    ramp = np.arange(256, dtype=np.uint8)
    try:
        bgr = np.stack([ramp] * 3, axis=1) if code is None else cv2.applyColorMap(ramp, code)
    except cv2.error:
        raise ValueError(f"OpenCV has no colour map with the number {colormap}") from None
    table = np.ascontiguousarray(bgr.reshape(256, 3)[:, ::-1], dtype=np.uint8)
    table.setflags(write=False)
    return table


def colorize(heatmap: NDArray[np.floating], colormap: int | str = "jet") -> RGBImage:
    """Return a heat map its colours.

    Args:
        heatmap: (H, W), in [0, 1].
        colormap: as in `color_table`.

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
    """Lay a coloured heat map over an image: (1 - alpha) * image + alpha * colour.

    Unless asked otherwise, the opacity is the same everywhere and in every image.

    Args:
        original: RGB image (H, W, 3).
        heatmap: (H, W), in [0, 1].
        alpha: opacity of the map, 0 (the image alone) to 1 (the map alone).
        colormap: as in `color_table`.
        fading: the opacity follows the map's strength, so that weak places stay clear.
        threshold: the image stays clear where the map is weaker, in [0, 1].

    Returns:
        RGB image (H, W, 3).

    Raises:
        ValueError: sizes that differ, or `alpha` or `threshold` outside [0, 1].
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is an opacity from 0 to 1, not {alpha}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold is a share of the map's maximum from 0 to 1, not {threshold}")
    if original.shape[:2] != heatmap.shape:
        raise ValueError(
            f"image {original.shape[:2]} and heat map {heatmap.shape} differ in size: "
            "bring the map to the image's grid first"
        )
    table = color_table(colormap)
    steps = quantize(heatmap)
    blend = _blend_table(table, _opacities(float(alpha), fading, threshold))
    return np.stack([blend[c][steps, original[..., c]] for c in range(3)], axis=-1)


def _opacities(alpha: float, fading: bool, threshold: float) -> NDArray[np.float64]:
    """Return the opacity of each of the 256 steps."""
    steps = np.arange(256, dtype=np.float64)
    opacities = alpha * steps / 255 if fading else np.full(256, alpha)
    return np.where(steps < math.ceil(255 * threshold), 0.0, opacities)


def _blend_table(table: RGBImage, opacities: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Blend every colour with every grey value: (3, 256 colours, 256 values)."""
    colors = table.T.astype(np.float64)[:, :, None]
    values = np.arange(256, dtype=np.float64)
    alpha = opacities[None, :, None]
    return np.floor((1 - alpha) * values + alpha * colors + 0.5).astype(np.uint8)


def as_rgb(image: Image.Image | NDArray[np.generic]) -> RGBImage:
    """Turn a PIL image or an array into an 8-bit RGB image.

    Args:
        image: PIL image of 8 or 16 bits; or array (H, W), (H, W, 1) or (H, W, 3), 8 or 16 bit
            unsigned, or floats in [0, 1].

    Returns:
        RGB image (H, W, 3).

    Raises:
        ValueError: another shape or type, or floats outside [0, 1].
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
        raise ValueError(f"an image is (H, W) or (H, W, 3), not {image.shape}")
    return values


def _as_uint8(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    if image.dtype.kind == "u" and image.dtype.itemsize == 2:
        return ((image.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if np.issubdtype(image.dtype, np.floating):
        return quantize(image.astype(np.float64))
    raise ValueError(f"an image is uint8, uint16 or float in [0, 1], not {image.dtype}")


def three_panels(
    original: RGBImage,
    heatmap: NDArray[np.floating],
    title: str,
    alpha: float = 0.5,
    colormap: int | str = "jet",
) -> Figure:
    """Draw original, heat map and overlay side by side, with a colour bar.

    Args:
        original: RGB image (H, W, 3).
        heatmap: (H, W), in [0, 1].
        title: the line above the panels.
        alpha: opacity of the map in the overlay.
        colormap: as in `color_table`.

    Returns:
        A matplotlib figure that belongs to no window.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    panels = {
        "Original": original,
        "Heat map": colorize(heatmap, colormap),
        "Overlay": overlay(original, heatmap, alpha, colormap),
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
