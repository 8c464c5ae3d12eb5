"""From stored values to the grey scale of the display (PS3.4 N.2.1).

Padding is masked in the stored values, then come the modality LUT or rescale, the VOI LUT or window
and the inversion of MONOCHROME1. Attributes that cannot be used are left out, as DCMTK does.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_gradcam.imaging.dicom.attributes import first_number
from cxr_gradcam.imaging.dicom.voi import (
    Range,
    Values,
    VoiTransform,
    ramp,
    tables,
    values_of_interest,
)
from cxr_gradcam.imaging.pixels import row_blocks
from cxr_gradcam.imaging.radiograph import RadiographError

# As many levels as 16 bits have are computed once each, and looked up for every pixel.
MAX_LEVELS: int = 2**16


def display(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.float32]:
    """Return grey values as a viewer shows them.

    Args:
        stored: Stored values (H, W).
        dataset: The attributes of padding, modality LUT or rescale, VOI LUT or window, and
            photometric interpretation; completed.

    Returns:
        Grey values (H, W) in [0, 1], high = dense.

    Raises:
        RadiographError: If every pixel is padding.
    """
    low, high = int(stored.min()), int(stored.max())
    if high - low >= MAX_LEVELS:
        return shown(stored, np.ones(stored.shape, dtype=bool), dataset)
    levels = np.arange(low, high + 1).astype(stored.dtype)
    occurs = np.zeros(levels.shape, dtype=bool)
    for block in row_blocks(*stored.shape):
        occurs[stored[block].astype(np.intp) - low] = True
    shown_levels = shown(levels, occurs, dataset)
    grey = np.empty(stored.shape, dtype=np.float32)
    for block in row_blocks(*stored.shape):
        grey[block] = shown_levels[stored[block].astype(np.intp) - low]
    return grey


def shown(
    stored: NDArray[np.integer],
    occurs: NDArray[np.bool_],
    dataset: Dataset,
    interest: VoiTransform | None = None,
) -> NDArray[np.float32]:
    """Return the grey values of stored values.

    Args:
        stored: Of any shape.
        occurs: Which of them count where the file has neither VOI LUT nor window.
        dataset: As in `display`.
        interest: The VOI LUT or window; None for the file's first.

    Raises:
        RadiographError: If every value that occurs is padding.
    """
    padding = is_padding(stored, dataset)
    valid = occurs & ~padding
    if not valid.any():
        raise RadiographError(
            "The DICOM image shows nothing: every pixel is marked as filling around a picture "
            "(PixelPaddingValue). Choose another image."
        )
    values, possible = modality_values(stored, dataset)
    chosen = interest or next(values_of_interest(dataset, possible), None)
    if chosen is None:
        grey = ramp(values, values[valid].min(), values[valid].max())
    else:
        grey = chosen.apply(values)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = 1 - grey
    grey[padding] = 0
    return grey.astype(np.float32)


def is_padding(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.bool_]:
    """Return which stored values stand for no picture (PS3.3 C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = [_as_stored(end, stored) for end in (value, value if limit is None else limit)]
    return (stored >= min(ends)) & (stored <= max(ends))


def _as_stored(value: int, stored: NDArray[np.integer]) -> int:
    # Files exist that write a signed value with an unsigned representation, and the reverse.
    signed = stored.dtype.kind == "i"
    return (value + 2**15) % 2**16 - 2**15 if signed else value % 2**16


def modality_values(stored: NDArray[np.integer], dataset: Dataset) -> tuple[Values, Range]:
    """Return what stored values mean (PS3.3 C.11.1), and the range of what they can mean."""
    possible = _possible_range(dataset)
    if table := next(tables(dataset, "ModalityLUTSequence", possible), None):
        return table.apply(stored), (int(table.entries.min()), int(table.entries.max()))
    values = stored.astype(np.float64)
    slope, intercept = rescale(dataset)
    values *= slope
    values += intercept
    ends = sorted(slope * end + intercept for end in possible)
    return values, (ends[0], ends[1])


def rescale(dataset: Dataset) -> Range:
    """Return slope and intercept; 1 and 0 where the file names none that can be used."""
    slope, intercept = (first_number(dataset, f"Rescale{end}") for end in ("Slope", "Intercept"))
    # Each is required with the other, and a slope of 0 leaves no image.
    return (1.0, 0.0) if not slope or intercept is None else (slope, intercept)


def _possible_range(dataset: Dataset) -> Range:
    count = 2 ** int(dataset.BitsStored)
    return (-count // 2, count // 2 - 1) if dataset.PixelRepresentation else (0, count - 1)
