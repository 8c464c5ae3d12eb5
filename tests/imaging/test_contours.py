"""Contour lines, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_gradcam.imaging.contours import contour_overlay
from cxr_gradcam.imaging.rendering import color_table

GREY = np.full((5, 5, 3), 100, np.uint8)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def drawn(heatmap: np.ndarray, width: int = 1) -> list[str]:
    """The picture in letters: the lines' colours, # for their dark edge, . for the image itself."""
    picture = contour_overlay(GREY, heatmap, line_width=width, colors=[RED, GREEN, BLUE])
    letters = {RED: "r", GREEN: "g", BLUE: "b", (0, 0, 0): "#", (100, 100, 100): "."}
    return ["".join(letters[tuple(map(int, pixel))] for pixel in row) for row in picture]


def test_a_hot_square_is_outlined_inside_and_dark_outside() -> None:
    heatmap = np.zeros((5, 5))
    heatmap[1:4, 1:4] = 0.6
    assert drawn(heatmap) == [
        ".###.",
        "#rrr#",
        "#r.r#",
        "#rrr#",
        ".###.",
    ]


def test_each_level_has_its_colour() -> None:
    heatmap = np.tile([0.0, 0.5, 0.6, 0.8, 1.0], (5, 1))
    assert drawn(heatmap) == ["#r#gb"] * 5


def test_a_wider_line_grows_inwards() -> None:
    heatmap = np.tile([0.0, 0.6, 0.6, 0.6, 0.6], (5, 1))
    assert drawn(heatmap, width=2) == ["#rr.."] * 5


def test_an_empty_map_changes_nothing() -> None:
    np.testing.assert_array_equal(contour_overlay(GREY, np.zeros((5, 5))), GREY)


def test_lines_have_the_colours_of_the_colour_map() -> None:
    heatmap = np.tile([0.0, 0.0, 0.6, 0.6, 0.6], (5, 1))
    picture = contour_overlay(GREY, heatmap, "viridis")
    np.testing.assert_array_equal(picture[0, 2], color_table("viridis")[128])


def test_sizes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        contour_overlay(GREY, np.zeros((4, 5)))
