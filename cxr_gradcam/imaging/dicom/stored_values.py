"""The stored values of a DICOM image with windows, pixel spacing and orientation."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_gradcam.imaging.dicom.attributes import first_number, is_inverted, numbers
from cxr_gradcam.imaging.dicom.grey_scale import (
    MAX_LEVELS,
    above,
    display,
    displayed_greys,
    is_padding,
    modality_values,
    rescale,
)
from cxr_gradcam.imaging.dicom.voi import (
    VoiTransform,
    ramp,
    voi_transforms,
)
from cxr_gradcam.imaging.pixels import WHITE, quantize, row_blocks
from cxr_gradcam.imaging.stored_values import (
    AS_SEEN,
    PixelSpacing,
    StoredValues,
    Window,
    count_values,
    empty_values,
    from_grey,
    further_windows,
)

_DIRECTION = re.compile(r"[LRAPHF]{1,3}")  # PS3.3 C.7.6.1.1.1
_DETECTOR = "on the detector; in the patient it is less"
_MAGNIFIED = "in the patient, by the magnification that the file estimates"
_UNKNOWN = "calibrated, the file does not say how"
_CALIBRATED = {
    "GEOMETRY": "in the patient, calibrated by the geometry of the exposure",
    "FIDUCIAL": "in the plane of an object of known size",
}
_MOST_MAGNIFIED = 5  # a greater factor is an error in the file


def stored_values(stored: NDArray[np.integer], dataset: Dataset) -> StoredValues:
    """Return stored values for a viewer, shifted so that the least one is 0.

    Args:
        stored: Stored values (H, W).
        dataset: The image's data set, completed.

    Raises:
        RadiographError: If every pixel is padding.
    """
    low, high = int(stored.min()), int(stored.max())
    if high - low >= MAX_LEVELS:
        return from_grey(display(stored, dataset), 2**16 - 1)
    levels = np.arange(low, high + 1).astype(stored.dtype)
    values = empty_values(stored.shape, high - low)
    differences = above(stored, low)
    for block in row_blocks(*stored.shape):
        values[block] = differences(block)
    slope, intercept = _straight_line(dataset) or (1.0, 0.0)
    return StoredValues(
        values=values,
        windows=_all_windows(levels, count_values(values, high - low), dataset),
        slope=slope,
        offset=slope * low + intercept,
        is_inverted=is_inverted(dataset),
        padding=_padded(levels, dataset),
        spacing=pixel_spacing(dataset),
        orientation=patient_orientation(dataset),
    )


def _all_windows(
    levels: NDArray[np.integer], counts: NDArray[np.intp], dataset: Dataset
) -> tuple[Window, ...]:
    modality, possible = modality_values(levels, dataset)
    valid = (counts > 0) & ~is_padding(levels, dataset)
    of_file = list(voi_transforms(dataset, possible)) or [_whole_range(modality[valid])]
    windows = [_window(transform, levels, valid, dataset) for transform in of_file]
    further = further_windows(np.where(valid, counts, 0), is_inverted=is_inverted(dataset))
    return (*_labelled(windows), *further)


def _whole_range(modality: NDArray[np.float64]) -> VoiTransform:
    low, high = float(modality.min()), float(modality.max())
    return VoiTransform("", lambda values: ramp(values, low, high), (low, high))


def _window(
    transform: VoiTransform,
    levels: NDArray[np.integer],
    valid: NDArray[np.bool_],
    dataset: Dataset,
) -> Window:
    line = _straight_line(dataset)
    if transform.ends is not None and line is not None:
        slope, intercept = line
        low, high = ((end - intercept) / slope - int(levels[0]) for end in transform.ends)
        return Window(transform.explanation, low, high)
    greys = quantize(displayed_greys(levels, valid, dataset, transform))
    # The ends of the values that are neither black nor white
    between = np.flatnonzero((greys > 0) & (greys < WHITE))
    low, high = (between[0], between[-1]) if len(between) > 1 else (0, len(levels) - 1)
    return Window(transform.explanation, float(low), float(high), greys)


def _straight_line(dataset: Dataset) -> tuple[float, float] | None:
    """Return slope and intercept of the modality values; None if a modality LUT gives them."""
    return None if "ModalityLUTSequence" in dataset else rescale(dataset)


def _labelled(windows: list[Window]) -> list[Window]:
    first, *others = windows
    named = [replace(first, label=_label(AS_SEEN, first.label))]
    numbered = enumerate(others, start=2)
    return named + [replace(each, label=_label(f"Stored {n}", each.label)) for n, each in numbered]


def _label(name: str, explanation: str) -> str:
    return f"{name} ({explanation})" if explanation else name


def _padded(levels: NDArray[np.integer], dataset: Dataset) -> tuple[int, int] | None:
    places = np.flatnonzero(is_padding(levels, dataset))
    return (int(places[0]), int(places[-1])) if len(places) else None


def pixel_spacing(dataset: Dataset) -> PixelSpacing | None:
    """Return the pixel spacing and where it is measured, as PS3.3 10.7.1.3 defines it.

    Args:
        dataset: The image's data set.

    Returns:
        The pixel spacing; None if the file has none, or only an implausible one.
    """
    calibrated, imager = (
        _spacing(dataset, keyword) for keyword in ("PixelSpacing", "ImagerPixelSpacing")
    )
    if calibrated is not None and calibrated != imager:
        kind = str(dataset.get("PixelSpacingCalibrationType") or "")
        return PixelSpacing(*calibrated, _CALIBRATED.get(kind, _UNKNOWN))
    if imager is None:
        return None
    factor = first_number(dataset, "EstimatedRadiographicMagnificationFactor")
    if factor is None or not 1 < factor < _MOST_MAGNIFIED:
        return PixelSpacing(*imager, _DETECTOR)
    return PixelSpacing(imager[0] / factor, imager[1] / factor, _MAGNIFIED)


def _spacing(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    values = numbers(dataset, keyword)
    # Detectors and film scanners have pixels of 0.02 to 5 mm; other values are in a wrong unit.
    if len(values) != 2 or not all(0.01 <= value <= 10 for value in values):
        return None
    return values[0], values[1]


def patient_orientation(dataset: Dataset) -> tuple[str, str] | None:
    """Return the patient's directions of rows and columns (PS3.3 C.7.6.1.1.1), as ("L", "F").

    Args:
        dataset: The image's data set; without a valid PatientOrientation the result is None.
    """
    directions = dataset.get("PatientOrientation") or ()
    if isinstance(directions, str) or len(directions) != 2:
        return None
    row, column = map(str, directions)
    return (row, column) if _DIRECTION.fullmatch(row) and _DIRECTION.fullmatch(column) else None
