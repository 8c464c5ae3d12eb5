"""From stored values to the grey scale of the display (PS3.4 N.2.1).

Padding is masked in the stored values, then come the modality LUT or rescale, the VOI LUT or window
and the inversion of MONOCHROME1. Attributes that cannot be used are left out, as DCMTK does.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_gradcam.imaging.dicom.attributes import first_number, numbers
from cxr_gradcam.imaging.dicom.lookup_table import LookupTable, first_usable
from cxr_gradcam.imaging.radiograph import RadiographError, row_blocks

Values = NDArray[np.float64]
Range = tuple[float, float]

# As many levels as 16 bits have are computed once each, and looked up for every pixel.
_MAX_LEVELS = 2**16


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
    if high - low >= _MAX_LEVELS:
        return _shown(stored, np.ones(stored.shape, dtype=bool), dataset)
    levels = np.arange(low, high + 1).astype(stored.dtype)
    occurs = np.zeros(levels.shape, dtype=bool)
    for block in row_blocks(*stored.shape):
        occurs[stored[block].astype(np.intp) - low] = True
    shown_levels = _shown(levels, occurs, dataset)
    shown = np.empty(stored.shape, dtype=np.float32)
    for block in row_blocks(*stored.shape):
        shown[block] = shown_levels[stored[block].astype(np.intp) - low]
    return shown


def _shown(
    stored: NDArray[np.integer], occurs: NDArray[np.bool_], dataset: Dataset
) -> NDArray[np.float32]:
    padding = _padding(stored, dataset)
    valid = occurs & ~padding
    if not valid.any():
        raise RadiographError("Every pixel of the DICOM image is padding. Choose another image.")
    values, possible = _modality(stored, dataset)
    shown = _voi(values, values[valid], possible, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    shown[padding] = 0
    return shown.astype(np.float32)


def _padding(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.bool_]:
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


def _modality(stored: NDArray[np.integer], dataset: Dataset) -> tuple[Values, Range]:
    possible = _possible_range(dataset)
    if table := _table(dataset, "ModalityLUTSequence", possible):
        return table.apply(stored), (int(table.entries.min()), int(table.entries.max()))
    values = stored.astype(np.float64)
    slope, intercept = (first_number(dataset, f"Rescale{end}") for end in ("Slope", "Intercept"))
    # Each is required with the other, and a slope of 0 leaves no image.
    if not slope or intercept is None:
        return values, possible
    values *= slope
    values += intercept
    ends = sorted(slope * end + intercept for end in possible)
    return values, (ends[0], ends[1])


def _possible_range(dataset: Dataset) -> Range:
    count = 2 ** int(dataset.BitsStored)
    return (-count // 2, count // 2 - 1) if dataset.PixelRepresentation else (0, count - 1)


def _table(dataset: Dataset, keyword: str, possible: Range) -> LookupTable | None:
    is_little_endian = dataset.file_meta.TransferSyntaxUID.is_little_endian
    return first_usable(dataset.get(keyword), possible, is_little_endian=is_little_endian)


def _voi(values: Values, valid: Values, possible: Range, dataset: Dataset) -> Values:
    if table := _table(dataset, "VOILUTSequence", possible):
        return _ramp(table.apply(values), 0, table.white)
    function = dataset.get("VOILUTFunction")
    for center, width in _windows(dataset):
        if width >= 1 or (width > 0 and function in ("LINEAR_EXACT", "SIGMOID")):
            return _window(values, center, width, function)
    return _ramp(values, valid.min(), valid.max())


def _windows(dataset: Dataset) -> Iterator[tuple[float, float]]:
    pairs = zip(numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth"), strict=False)
    return (pair for pair in pairs if all(map(math.isfinite, pair)))


def _window(values: Values, center: float, width: float, function: str | None) -> Values:
    # PS3.3 C.11.2.1.3.2, C.11.2.1.3.1 and, also for a function that is unknown, C.11.2.1.2.1
    if function == "LINEAR_EXACT":
        return _ramp(values, center - width / 2, center + width / 2)
    if function == "SIGMOID":
        # The logistic function 1 / (1 + exp(-4 (x - c) / w)) in a form that cannot overflow
        return np.asarray((1 + np.tanh(2 * (values - center) / width)) / 2)
    return _ramp(values, center - width / 2, center + width / 2 - 1)


def _ramp(values: Values, low: float, high: float) -> Values:
    if high <= low:
        return (values > low).astype(np.float64)
    shown = values - low
    shown /= high - low
    return np.clip(shown, 0, 1, out=shown)
