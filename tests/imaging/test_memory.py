"""What reading costs in memory, by what Python and NumPy allocate at the most."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cxr_gradcam.imaging.reading import read_for_viewing

SIDE = 2_500

GREY = (np.add.outer(np.arange(SIDE), np.arange(SIDE)) % 4096).astype(np.uint16)
COLOUR = np.dstack([GREY, GREY, GREY])


@pytest.mark.parametrize(
    ("kind", "picture"),
    [
        (".png", GREY),
        (".tiff", GREY.astype(np.float32)),
        (".png", COLOUR),
        (".png", (COLOUR >> 4).astype(np.uint8)),
        (".jpg", (COLOUR >> 4).astype(np.uint8)),
    ],
    ids=["16-bit grey", "floats", "16-bit colour", "8-bit colour", "JPEG"],
)
def test_reading_takes_few_bytes_a_pixel_beside_the_file(
    kind: str, picture: NDArray[np.generic]
) -> None:
    encoded = cv2.imencode(kind, picture)[1].tobytes()
    tracemalloc.start()
    try:
        read_for_viewing(encoded)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # grey of 4 bytes, stored values of 2, decoded colour of 6, and blocks of a million pixels
    assert peak < 16 * GREY.size
