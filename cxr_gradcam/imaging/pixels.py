"""Arithmetic on arrays of pixels: luma, full scale, [0, 1], 256 steps, and blocks of rows."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

WHITE: int = 255
"""The greatest of the 256 steps."""

# ITU-R BT.601
_LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])
# The bit depths of X-ray detectors, and of the files that are exported from them
_BIT_DEPTHS = (8, 10, 12, 14, 16)


def luma(colors: NDArray[np.number]) -> NDArray[np.float32]:
    """Return the luma of colour pixels, as ITU-R BT.601 defines it.

    Args:
        colors: Red, green and blue, whole numbers (H, W, 3).

    Returns:
        Luma (H, W), in the range of `colors`.

    Example:
        >>> luma(np.array([[[100, 0, 0], [7, 7, 7]]], dtype=np.uint8)).round().tolist()
        [[30.0, 7.0]]
    """
    return np.asarray(colors @ _LUMA_WEIGHTS, dtype=np.float32)


def to_unit_range(values: NDArray[np.number], white: int) -> NDArray[np.float32]:
    """Divide pixel values by the value of white, and clip the result to [0, 1].

    Args:
        values: Grey values (H, W), or red, green and blue (H, W, 3), which become luma.
        white: The value that becomes 1.

    Returns:
        Grey values (H, W) in [0, 1].
    """
    rows, columns = values.shape[:2]
    grey = np.empty((rows, columns), np.float32)
    for block in row_blocks(rows, columns):
        grey[block] = luma(values[block]) if values.ndim == 3 else values[block]
    grey /= np.float32(white)
    return np.clip(grey, 0, 1, out=grey)


def quantize(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Round values in [0, 1] to 256 steps; halves are rounded up.

    Args:
        values: An array of any shape, in [0, 1].

    Returns:
        An array of the same shape, from 0 to 255.

    Raises:
        ValueError: If a value is outside [0, 1] or not finite.

    Example:
        >>> quantize(np.array([0, 0.5, 1])).tolist()
        [0, 128, 255]
    """
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"A heat map or grey image must be finite and lie in [0, 1]; this one lies in "
            f"[{low}, {high}]. Scale it first."
        )
    return (values.astype(np.float64) * WHITE + 0.5).astype(np.uint8)


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Divide the rows of an image into blocks of about a million pixels.

    Work that is done block by block needs little memory beside the image itself.

    Args:
        rows: Height in pixels.
        columns: Width in pixels.

    Returns:
        Slices of rows, which together cover the whole image.

    Example:
        >>> [(block.start, block.stop) for block in row_blocks(5, 500_000)]
        [(0, 2), (2, 4), (4, 6)]
    """
    height = max(1, 1_000_000 // columns)
    return (slice(start, start + height) for start in range(0, rows, height))


def full_scale(brightest: float, announced_bits: int = 16) -> int:
    """Return the greatest value of the bit depth that an image or look-up table really has.

    Detectors have 8, 10, 12, 14 or 16 bits. Images of 12 bits are commonly stored, and announced,
    as 16 bits, so the depth is derived from the brightest value.

    Args:
        brightest: The greatest value that occurs, 0 or more.
        announced_bits: The bit depth that the file states. It is ignored if the brightest value
            does not fit into it.

    Returns:
        The greatest value of the smallest detector depth that holds `brightest`, or of the
        announced depth if that is smaller.

    Example:
        >>> full_scale(3000), full_scale(3000, 11), full_scale(3000, 13), full_scale(3000, 8)
        (4095, 4095, 4095, 4095)
        >>> full_scale(3000, 12), full_scale(600, 9), full_scale(500, 9)
        (4095, 1023, 511)
    """
    detector = 2 ** next((bits for bits in _BIT_DEPTHS if brightest < 2**bits), 32) - 1
    announced = 2**announced_bits - 1
    return int(min(announced, detector) if brightest <= announced else detector)
