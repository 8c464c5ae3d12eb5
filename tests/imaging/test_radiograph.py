"""What a radiograph promises."""

import math

import numpy as np
import pytest

from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError


def test_pixels_are_a_read_only_copy() -> None:
    pixels = np.zeros((2, 3), dtype=np.float32)
    made = Radiograph(pixels)
    pixels[0, 0] = 1
    assert made.pixels[0, 0] == 0
    assert made.file_format == "array"
    with pytest.raises(ValueError, match="read-only"):
        made.pixels[0, 0] = 1


def test_pixels_are_not_in_the_text_of_a_radiograph() -> None:
    assert repr(Radiograph(np.zeros((1, 1), dtype=np.float32))) == "Radiograph(file_format='array')"


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((2, 2, 3), dtype=np.float32), r"float32 \(2, 2, 3\)"),
        (np.zeros((0, 2), dtype=np.float32), r"float32 \(0, 2\)"),
        (np.zeros((2, 2), dtype=np.uint8), r"uint8 \(2, 2\)"),
        (np.zeros((2, 2)), r"float64 \(2, 2\)"),
        (np.array([[0, 1.5]], dtype=np.float32), r"lie in \[0, 1\]"),
        (np.array([[-0.5, 1]], dtype=np.float32), r"lie in \[0, 1\]"),
        (np.array([[0, math.nan]], dtype=np.float32), r"lie in \[0, 1\]"),
        (np.array([[0, math.inf]], dtype=np.float32), r"lie in \[0, 1\]"),
    ],
)
def test_a_radiograph_refuses_other_arrays(pixels: np.ndarray, message: str) -> None:
    with pytest.raises(RadiographError, match=message):
        Radiograph(pixels)
