"""How a heat map is displayed over its radiograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.explanation.fields import Field
from cxr_gradcam.imaging.contours import CONTOURS, contour_overlay
from cxr_gradcam.imaging.rendering import COLORMAPS, RGBImage, colorize, overlay

STYLES = ("even", "fading", "contours")
"""How the map is overlaid on the radiograph: evenly, faded where it is weak, or as lines."""

DISPLAY_FIELDS = (
    Field(
        "opacity",
        float,
        0.5,
        "opacity of the map over the X-ray, from 0 (the X-ray alone) to 1",
        "an opacity",
        ("opacity", "alpha"),
        "opacity",
    ),
    Field(
        "colormap",
        str,
        "jet",
        "colours of the map",
        "a colour map",
        ("colormap",),
        "colors",
        tuple(COLORMAPS),
    ),
    Field(
        "style",
        str,
        "even",
        "lay the map over the X-ray evenly, fading where it is weak, or as contour lines",
        "a style",
        ("style",),
        "style",
        STYLES,
    ),
    Field(
        "threshold",
        float,
        0.0,
        "show nothing where the map is weaker than this share of its maximum, from 0 to 1",
        "a threshold",
        ("threshold",),
        "threshold",
    ),
)
"""The user's settings of the display, from which each interface makes its options."""


@dataclass(frozen=True)
class Display:
    """How a heat map is overlaid on its radiograph.

    Args:
        opacity: opacity of the map in the overlay, in [0, 1].
        colormap: a name of `rendering.COLORMAPS`.
        style: a name of `STYLES`.
        threshold: share of the map's maximum, in [0, 1], below which nothing is drawn.

    Raises:
        ValueError: a value is not offered; the message names the offered ones.

    Example:
        >>> print(Display(0.4, style="fading", threshold=0.25))
        opacity 40 % where the map is strongest, fading; nothing below 25 % of the map's maximum
    """

    opacity: float = 0.5
    colormap: str = "jet"
    style: str = "even"
    threshold: float = 0.0

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        for field in DISPLAY_FIELDS:
            field.check(getattr(self, field.name))

    def __str__(self) -> str:
        """Describe the display in words."""
        below = f"; nothing below {self.threshold:.0%}".replace("%", " %")
        return self._style_in_words() + (f"{below} of the map's maximum" if self.threshold else "")

    @property
    def contours(self) -> tuple[float, ...]:
        """The levels of the lines as shares of the map's maximum, rising."""
        return tuple(level for level in CONTOURS if level >= self.threshold)

    def draw(self, original: RGBImage, heatmap: NDArray[np.floating]) -> dict[str, RGBImage]:
        """Draw a heat map alone and over its radiograph.

        Args:
            original: the radiograph, RGB (H, W, 3).
            heatmap: (H, W), in [0, 1].

        Returns:
            {"heatmap", "overlay": RGB (H, W, 3)}.

        Raises:
            ValueError: radiograph and map differ in size.
        """
        return {
            "heatmap": colorize(heatmap, self.colormap),
            "overlay": self._overlay(original, heatmap),
        }

    def _overlay(self, original: RGBImage, heatmap: NDArray[np.floating]) -> RGBImage:
        if self.style == "contours":
            return contour_overlay(original, heatmap, self.colormap, levels=self.contours)
        return overlay(
            original,
            heatmap,
            self.opacity,
            self.colormap,
            fading=self.style == "fading",
            threshold=self.threshold,
        )

    def _style_in_words(self) -> str:
        if self.style != "contours":
            fading = " where the map is strongest, fading" if self.style == "fading" else ""
            return f"opacity {100 * self.opacity:.0f} %{fading}"
        if not self.contours:
            return "no contours"
        *first, last = (f"{100 * level:.0f}" for level in self.contours)
        listed = f"{', '.join(first)} and {last}" if first else last
        return f"contours at {listed} % of the map's maximum"


DEFAULT = Display()
"""The default display."""
