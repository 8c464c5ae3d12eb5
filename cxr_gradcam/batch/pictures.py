"""The pictures of a file: heat map and overlay, each there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr_gradcam.explanation import Explanation
from cxr_gradcam.imaging.contours import contour_overlay
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.imaging.rendering import RGBImage, as_rgb, colorize, overlay

STYLES = ("even", "fading", "contours")
"""How the map is laid over the image: evenly, fading where it is weak, or as lines."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """What further outputs of a file are made of.

    Attributes:
        start: what their paths start with.
        data: the file's bytes.
        radiograph: it.
        explanation: of it.
        pictures: {"heatmap", "overlay": RGB (H, W, 3)}.
    """

    start: Path
    data: bytes
    radiograph: Radiograph
    explanation: Explanation
    pictures: Mapping[str, NDArray[np.uint8]]


Export = Callable[[Drawn], Mapping[str, Path]]
"""Writes further outputs of a file; returns them by what they are."""


@dataclass(frozen=True)
class Pictures:
    """What is drawn of each file, and where it is saved.

    Args:
        output: the folder.
        alpha: opacity of the map in the overlay, in [0, 1].
        colormap: a name of `rendering.COLORMAPS`.
        style: a name of `STYLES`.
        threshold: the image stays clear where the map is weaker, in [0, 1].
        also: each writes further outputs.
    """

    output: Path
    alpha: float = 0.5
    colormap: str = "jet"
    style: str = "even"
    threshold: float = 0.0
    also: Sequence[Export] = ()

    def save(
        self, place: Path, data: bytes, radiograph: Radiograph, explanation: Explanation
    ) -> dict[str, str]:
        """Draw and save the pictures of one file.

        Args:
            place: where they lie below the output folder, and what their names start with.
            data: the file's bytes.
            radiograph: it.
            explanation: of it, its map on the radiograph's grid.

        Returns:
            {"heatmap", "overlay", and what `also` writes: path}.

        Raises:
            OSError: they cannot be saved; nothing of them is left.
            RadiographError: `also` refuses the file.
        """
        pictures = draw(
            as_rgb(radiograph.pixels),
            explanation.heatmap,
            alpha=self.alpha,
            colormap=self.colormap,
            style=self.style,
            threshold=self.threshold,
        )
        start = self.output / place
        start.parent.mkdir(parents=True, exist_ok=True)
        outputs = {name: start.with_name(f"{start.name}-{name}.png") for name in pictures}
        _save(pictures, outputs)
        for export in self.also:
            outputs |= export(Drawn(start, data, radiograph, explanation, pictures))
        return {name: str(path) for name, path in outputs.items()}


def draw(
    original: RGBImage,
    heatmap: NDArray[np.float32],
    *,
    alpha: float = 0.5,
    colormap: str = "jet",
    style: str = "even",
    threshold: float = 0.0,
) -> dict[str, RGBImage]:
    """Draw a heat map, alone and over its image.

    Args:
        original: RGB image (H, W, 3).
        heatmap: (H, W), in [0, 1].
        alpha: as of `Pictures`, like those that follow.
        colormap: as there.
        style: as there.
        threshold: as there.

    Returns:
        {"heatmap", "overlay": RGB (H, W, 3)}.
    """
    if style == "contours":
        laid_over = contour_overlay(original, heatmap, colormap)
    else:
        fading = style == "fading"
        laid_over = overlay(original, heatmap, alpha, colormap, fading=fading, threshold=threshold)
    return {"heatmap": colorize(heatmap, colormap), "overlay": laid_over}


def _save(pictures: Mapping[str, NDArray[np.uint8]], outputs: Mapping[str, Path]) -> None:
    """Write all pictures of a file under other names first: a full disk leaves no part of them."""
    # A random name, since other processes may save here too
    parts = {name: path.with_name(f".{uuid4().hex}.part") for name, path in outputs.items()}
    try:
        for name, part in parts.items():
            Image.fromarray(pictures[name]).save(part, "PNG", compress_level=1)
        for name, part in parts.items():
            part.replace(outputs[name])
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
