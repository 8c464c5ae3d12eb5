"""From stored values to the grey scale of the display (PS3.4 N.2.1).

Padding is masked in the stored values; then come the modality LUT or rescale, the VOI LUT or
window, and the inversion. Attributes that cannot be used are ignored, as DCMTK does.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_gradcam.imaging.dicom.attributes import first_number, is_inverted
from cxr_gradcam.imaging.dicom.voi import (
    Range,
    Values,
    VoiTransform,
    ramp,
    tables,
    voi_transforms,
)
from cxr_gradcam.imaging.pixels import row_blocks
from cxr_gradcam.imaging.radiograph import RadiographError

# With at most 2**16 levels, each is computed once, and looked up for every pixel.
MAX_LEVELS: int = 2**16


def display(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.float32]:
    """Return grey values as a viewer shows them.

    Args:
        stored: Stored values (H, W).
        dataset: The image's data set, completed: padding, modality LUT or rescale, VOI LUT or
            window, presentation LUT shape and photometric interpretation are used.

    Returns:
        Grey values (H, W) in [0, 1]; high values are dense.

    Raises:
        RadiographError: If every pixel is padding.
    """
    low, high = int(stored.min()), int(stored.max())
    if high - low >= MAX_LEVELS:
        return displayed_greys(stored, np.ones(stored.shape, dtype=bool), dataset)
    levels = np.arange(low, high + 1).astype(stored.dtype)
    grey_of_level = displayed_greys(levels, _occurring(stored, levels, dataset), dataset)
    places = above(stored, low)
    grey = np.empty(stored.shape, dtype=np.float32)
    for block in row_blocks(*stored.shape):
        np.take(grey_of_level, places(block), out=grey[block], mode="clip")
    return grey


def above(stored: NDArray[np.integer], low: int) -> Callable[[slice], NDArray[np.unsignedinteger]]:
    """Return a function that gives the stored values of some rows minus the least value.

    The difference is computed modulo the width of the stored values, so it cannot overflow.

    Args:
        stored: Stored values (H, W).
        low: The least stored value.
    """
    unsigned = np.dtype(stored.dtype.str.replace("i", "u"))
    values, least = stored.view(unsigned), np.array(low, stored.dtype).view(unsigned)
    return (lambda rows: values[rows] - least) if low else (lambda rows: values[rows])


def _occurring(
    stored: NDArray[np.integer], levels: NDArray[np.integer], dataset: Dataset
) -> NDArray[np.bool_]:
    """Return which of the levels occur; all of them if only the least and the greatest matter."""
    if "PixelPaddingValue" not in dataset and "ModalityLUTSequence" not in dataset:
        return np.ones(levels.shape, dtype=bool)
    occurs = np.zeros(levels.shape, dtype=bool)
    places = above(stored, int(levels[0]))
    for block in row_blocks(*stored.shape):
        occurs[places(block)] = True
    return occurs


def displayed_greys(
    stored: NDArray[np.integer],
    occurs: NDArray[np.bool_],
    dataset: Dataset,
    transform: VoiTransform | None = None,
) -> NDArray[np.float32]:
    """Return the grey value of each stored value.

    Args:
        stored: Stored values of any shape.
        occurs: For each stored value, whether the image contains it. Without VOI LUT and window,
            the least and the greatest of these values become 0 and 1.
        dataset: The image's data set, completed.
        transform: A VOI LUT or window; None for the file's first one that can be used.

    Returns:
        Grey values in [0, 1], in the shape of `stored`.

    Raises:
        RadiographError: If every value that occurs is padding.
    """
    padding = is_padding(stored, dataset)
    valid = occurs & ~padding
    if not valid.any():
        raise RadiographError(
            "The DICOM image shows nothing: every pixel is marked as padding around an image "
            "(PixelPaddingValue). Choose another image, or export this one from its viewer as PNG."
        )
    values, possible = modality_values(stored, dataset)
    chosen = transform or next(voi_transforms(dataset, possible), None)
    if chosen is None:
        grey = ramp(values, values[valid].min(), values[valid].max())
    else:
        grey = chosen.apply(values)
    if is_inverted(dataset):
        grey = 1 - grey
    grey[padding] = 0
    return grey.astype(np.float32)


def is_padding(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.bool_]:
    """Return which stored values are padding around the image (PS3.3 C.7.5.1.1.2).

    Args:
        stored: Stored values of any shape.
        dataset: The image's data set.
    """
    value = first_number(dataset, "PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=bool)
    limit = first_number(dataset, "PixelPaddingRangeLimit")
    ends = [_as_stored(int(end), stored) for end in (value, value if limit is None else limit)]
    return (stored >= min(ends)) & (stored <= max(ends))


def _as_stored(value: int, stored: NDArray[np.integer]) -> int:
    # Files exist that write a signed value with an unsigned VR, and the reverse.
    signed = stored.dtype.kind == "i"
    return (value + 2**15) % 2**16 - 2**15 if signed else value % 2**16


def modality_values(stored: NDArray[np.integer], dataset: Dataset) -> tuple[Values, Range]:
    """Apply the modality LUT or rescale (PS3.3 C.11.1).

    Args:
        stored: Stored values of any shape.
        dataset: The image's data set, completed.

    Returns:
        Modality values in the shape of `stored`, and the least and the greatest modality value
        that the stored bits allow.
    """
    possible = _possible_range(dataset)
    if table := next(tables(dataset, "ModalityLUTSequence", possible), None):
        return table.apply(stored), (int(table.entries.min()), int(table.entries.max()))
    values = stored.astype(np.float64)
    slope, intercept = rescale(dataset)
    values *= slope
    values += intercept
    ends = sorted(slope * end + intercept for end in possible)
    return values, (ends[0], ends[1])


def rescale(dataset: Dataset) -> tuple[float, float]:
    """Return slope and intercept of the rescale; 1 and 0 if the file has no usable ones."""
    slope, intercept = (first_number(dataset, f"Rescale{end}") for end in ("Slope", "Intercept"))
    # Each is required with the other, and a slope of 0 leaves no image.
    return (1.0, 0.0) if not slope or intercept is None else (slope, intercept)


def _possible_range(dataset: Dataset) -> Range:
    count = 2 ** int(dataset.BitsStored)
    return (-count // 2, count // 2 - 1) if dataset.PixelRepresentation else (0, count - 1)
