"""The radiograph that all other parts work on, the limits of reading one, and its error."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

# The finest chest detectors have 18.5 million pixels (43 cm at 0.1 mm), the photograph of a film
# has up to 48 million.
MAX_PIXELS: int = 50_000_000
# Eight bytes for each pixel: more than any of the formats needs.
MAX_BYTES: int = 8 * MAX_PIXELS

# The depths of detectors, and of what is exported from them
_BIT_DEPTHS = (8, 10, 12, 14, 16)


class RadiographError(ValueError):
    """Something cannot be read as a radiograph; says what came and what to do."""


@dataclass(frozen=True, eq=False)
class Radiograph:
    """A single radiograph as it is displayed; immutable, so that threads may share it.

    Args:
        pixels: Grey values (H, W), float32 in [0, 1], high = dense (bone is white); copied,
            unless it owns its memory and is read-only already.
        file_format: What it was read from: "PNG", "JPEG", "TIFF", "BMP", "WebP", "DICOM" or
            "array".

    Raises:
        RadiographError: If `pixels` has another shape, type or range, or is not finite.

    Example:
        >>> import numpy as np
        >>> Radiograph(np.zeros((2, 3), dtype=np.float32))
        Radiograph(file_format='array')
    """

    pixels: NDArray[np.float32] = field(repr=False)
    file_format: str = "array"

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not _is_frozen(pixels):
            pixels = np.array(pixels, order="C")
        if pixels.ndim != 2 or pixels.size == 0 or pixels.dtype != np.float32:
            raise RadiographError(
                f"A radiograph is a float32 array (H, W) with at least one pixel; received "
                f"{pixels.dtype} {pixels.shape}. Convert it first."
            )
        # Written so that NaN fails too
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise RadiographError(
                "A radiograph's grey values are finite and lie in [0, 1]; received others. "
                "Scale them first."
            )
        pixels.setflags(write=False)
        object.__setattr__(self, "pixels", pixels)


def _is_frozen(pixels: object) -> bool:
    if not isinstance(pixels, np.ndarray):
        return False
    flags = pixels.flags
    return bool(flags.owndata and flags.c_contiguous and not flags.writeable)


@contextmanager
def refusing(message: str) -> Iterator[None]:
    """Turn every exception of a decoder into one error.

    Args:
        message: What the error says.

    Raises:
        RadiographError: With that message; or as it was raised, where it is one already.

    Example:
        >>> with refusing("The image is damaged. Save it again."):
        ...     int("no number")
        Traceback (most recent call last):
        ...
        cxr_gradcam.imaging.radiograph.RadiographError: The image is damaged. Save it again.
    """
    try:
        yield
    except RadiographError:
        raise
    except Exception as error:
        raise RadiographError(message) from error


def check_size(rows: int, columns: int) -> None:
    """Raise an error for an image without pixels, or with too many.

    Args:
        rows: Height in pixels.
        columns: Width in pixels.

    Raises:
        RadiographError: If there are none, or more than `MAX_PIXELS`.
    """
    if not 0 < rows * columns <= MAX_PIXELS:
        raise RadiographError(
            f"The image says that it has {columns} by {rows} pixels; 1 to {MAX_PIXELS:,} in all "
            "can be read. Export it at a size within that limit."
        )


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Return slices of rows that together are the whole image, about a million pixels each.

    What is computed block by block needs no second image in memory.

    Example:
        >>> [(block.start, block.stop) for block in row_blocks(5, 500_000)]
        [(0, 2), (2, 4), (4, 6)]
    """
    height = max(1, 1_000_000 // columns)
    return (slice(start, start + height) for start in range(0, rows, height))


def full_scale(brightest: float, announced_bits: int = 16) -> int:
    """Return the greatest value of the depth that an image or a table really has.

    Detectors have 8, 10, 12, 14 or 16 bits, and those of 12 bits are commonly saved, and announced,
    as 16: the brightest value tells.

    Args:
        brightest: The greatest value that occurs, 0 or more.
        announced_bits: The depth that the file names; nothing below the brightest value is
            believed.

    Returns:
        The full scale of the smallest detector depth that holds `brightest`, or of the announced
        depth where that is smaller.

    Example:
        >>> full_scale(3000), full_scale(3000, 11), full_scale(3000, 13), full_scale(3000, 8)
        (4095, 4095, 4095, 4095)
        >>> full_scale(3000, 12), full_scale(600, 9), full_scale(500, 9)
        (4095, 1023, 511)
    """
    scale = 2 ** next((bits for bits in _BIT_DEPTHS if brightest < 2**bits), 32) - 1
    announced = 2**announced_bits - 1
    return int(min(announced, scale) if brightest <= announced else scale)
