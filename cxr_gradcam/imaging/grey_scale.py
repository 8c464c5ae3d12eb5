"""From stored values to the grey scale of the display (PS3.4 N.2.1).

Padding is masked in the stored values, then come the modality LUT or rescale, the VOI LUT or window
and the inversion of MONOCHROME1.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_gradcam.imaging.elements import refuse_element
from cxr_gradcam.imaging.lookup_table import look_up
from cxr_gradcam.imaging.radiograph import RadiographError


def display(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.float32]:
    """Return grey values as a viewer shows them.

    Args:
        stored: Stored values (H, W).
        dataset: The attributes of padding, modality LUT or rescale, VOI LUT or window, and
            photometric interpretation.

    Returns:
        Grey values (H, W) in [0, 1], high = dense.

    Raises:
        RadiographError: If every pixel is padding, or an attribute cannot be used.
    """
    padding = _padding(stored, dataset)
    if padding.all():
        raise RadiographError("Every pixel of the DICOM image is padding. Choose another image.")
    shown = _voi(_modality(stored, dataset), ~padding, dataset)
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


def _modality(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.float64]:
    if sequence := dataset.get("ModalityLUTSequence"):
        return look_up(stored, sequence[0], dataset)
    values = stored.astype(np.float64)
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    if slope is not None and intercept is not None:
        values *= float(slope)
        values += float(intercept)
    return values


def _voi(
    values: NDArray[np.float64], valid: NDArray[np.bool_], dataset: Dataset
) -> NDArray[np.float64]:
    if sequence := dataset.get("VOILUTSequence"):
        white = 2.0 ** sequence[0].LUTDescriptor[2] - 1
        return _ramp(look_up(values, sequence[0], dataset), 0, white)
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if center is None or width is None:
        return _ramp(values, values[valid].min(), values[valid].max())
    return _window(values, center, width, dataset)


def _first(value: object) -> float | None:
    values = np.atleast_1d(np.asarray([] if value in (None, "") else value, dtype=np.float64))
    return float(values[0]) if values.size else None


def _window(
    values: NDArray[np.float64], center: float, width: float, dataset: Dataset
) -> NDArray[np.float64]:
    # PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT)
    function = dataset.get("VOILUTFunction") or "LINEAR"
    if not (width >= 1 or (width > 0 and function != "LINEAR")):
        refuse_element(dataset, "WindowWidth", "it must be at least 1, or above 0 where not LINEAR")
    if function == "LINEAR":
        return _ramp(values, center - width / 2, center + width / 2 - 1)
    if function == "LINEAR_EXACT":
        return _ramp(values, center - width / 2, center + width / 2)
    if function != "SIGMOID":
        refuse_element(dataset, "VOILUTFunction", "LINEAR, LINEAR_EXACT and SIGMOID can be read")
    # The logistic function 1 / (1 + exp(-4 (x - c) / w)) in a form that cannot overflow
    return (1 + np.tanh(2 * (values - center) / width)) / 2


def _ramp(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    if high <= low:
        return (values > low).astype(np.float64)
    shown = values - low
    shown /= high - low
    return np.clip(shown, 0, 1, out=shown)
