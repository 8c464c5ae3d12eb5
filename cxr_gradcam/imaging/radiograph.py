"""The radiograph that all other packages work on, the size limits of reading, and the error."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# The finest chest detectors have 18.5 million pixels (43 cm at 0.1 mm); photographs of films have
# up to 48 million.
MAX_PIXELS: int = 50_000_000
"""The most pixels that an image may have."""

MAX_BYTES: int = 8 * MAX_PIXELS
"""The most bytes that a file may have: eight per pixel, which is more than any format needs."""


class RadiographError(ValueError):
    """A file or array cannot be used as a radiograph; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Radiograph:
    """The pixels of a radiograph as they are displayed; immutable, so that threads may share them.

    Args:
        pixels: Grey values (H, W), float32 in [0, 1]; high values are dense (bone is white). The
            array is copied unless it owns its memory and is read-only.
        file_format: The format that the pixels were read from: "PNG", "JPEG", "TIFF", "BMP",
            "WebP", "DICOM" or "array".

    Raises:
        RadiographError: If `pixels` has another shape, type or range, or is not finite.

    Example:
        >>> import numpy as np
        >>> Radiograph(np.zeros((2, 3), dtype=np.float32))
        Radiograph(file_format='array')
    """

    pixels: NDArray[np.float32] = field(repr=False)
    file_format: str = "array"
    right_side: Literal["left", "right"] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        pixels = self.pixels
        if not _is_frozen(pixels):
            pixels = np.array(pixels, order="C")
        if pixels.ndim != 2 or pixels.size == 0 or pixels.dtype != np.float32:
            raise RadiographError(
                f"A radiograph is a float32 array (H, W) with at least one pixel; received "
                f"{pixels.dtype} {pixels.shape}. Convert it first: one channel, scaled to [0, 1], "
                "then .astype('float32')."
            )
        low, high = float(pixels.min()), float(pixels.max())
        # Written so that NaN fails too
        if not (low >= 0 and high <= 1):
            raise RadiographError(
                "The grey values of a radiograph must be finite and lie in [0, 1]; received values "
                f"from {low:g} to {high:g}. Scale them first."
            )
        pixels.setflags(write=False)
        object.__setattr__(self, "pixels", pixels)


def _is_frozen(pixels: object) -> bool:
    if not isinstance(pixels, np.ndarray):
        return False
    flags = pixels.flags
    return bool(flags.owndata and flags.c_contiguous and not flags.writeable)


@contextmanager
def raising_radiograph_error(message: str) -> Iterator[None]:
    """Replace any exception of a decoder by a `RadiographError` with one message.

    Args:
        message: The message of the error.

    Raises:
        RadiographError: With `message`. A `RadiographError` from inside keeps its own message.

    Example:
        >>> with raising_radiograph_error("The image is damaged. Save it again."):
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
    """Refuse an image that has no pixels, or more than `MAX_PIXELS`.

    Args:
        rows: Height in pixels.
        columns: Width in pixels.

    Raises:
        RadiographError: If the size is outside these limits.
    """
    if not 0 < rows * columns <= MAX_PIXELS:
        raise RadiographError(
            f"The file announces an image of {columns} by {rows} pixels; 1 to {MAX_PIXELS:,} "
            "pixels in all can be read. Export the radiograph again, at a size within that limit."
        )


def as_radiograph(given: object) -> Radiograph:
    """Return the argument unchanged if it is a radiograph.

    Args:
        given: the argument that a caller passes as a radiograph.

    Raises:
        RadiographError: the argument is something else, for example a path.
    """
    if isinstance(given, Radiograph):
        return given
    raise RadiographError(
        f"a {type(given).__name__} is no Radiograph: read a file by read_radiograph(path), or give "
        "pixels (H, W) in [0, 1] as Radiograph(pixels)"
    )
