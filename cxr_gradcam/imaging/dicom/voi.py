"""VOI LUTs and windows (PS3.3 C.11.2): which modality values are shown, and how grey."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_gradcam.imaging.dicom.attributes import numbers
from cxr_gradcam.imaging.dicom.elements import explanations
from cxr_gradcam.imaging.dicom.lookup_table import LookupTable, usable_tables

Values = NDArray[np.float64]
Range = tuple[float, float]


@dataclass(frozen=True)
class VoiTransform:
    """A VOI LUT or a window.

    Attributes:
        explanation: The file's name for it; "" if the file gives none.
        apply: Turns modality values into grey values in [0, 1].
        ends: The modality values that become 0 and 1, if a straight line lies between them.
    """

    explanation: str
    apply: Callable[[Values], Values]
    ends: Range | None = None


def voi_transforms(dataset: Dataset, possible: Range) -> Iterator[VoiTransform]:
    """Yield the usable VOI LUTs and then the usable windows of a file, in the file's order.

    Args:
        dataset: The image's data set.
        possible: The least and the greatest modality value that the file can contain.
    """
    for table in tables(dataset, "VOILUTSequence", possible):
        yield VoiTransform(table.explanation, partial(_apply_table, table))
    names = chain(explanations(dataset, "WindowCenterWidthExplanation"), repeat(""))
    function = dataset.get("VOILUTFunction")
    for (center, width), name in zip(_windows(dataset), names, strict=False):
        if not math.isfinite(center + width) or width <= 0:
            continue
        if width >= 1 or function in ("LINEAR_EXACT", "SIGMOID"):
            yield _window(name, center, width, function)


def tables(dataset: Dataset, keyword: str, possible: Range) -> Iterator[LookupTable]:
    """Yield the usable look-up tables of a sequence.

    Args:
        dataset: The image's data set with its `file_meta`.
        keyword: ModalityLUTSequence or VOILUTSequence.
        possible: The least and the greatest value that can be looked up.
    """
    is_little_endian = dataset.file_meta.TransferSyntaxUID.is_little_endian
    return usable_tables(dataset.get(keyword), possible, is_little_endian=is_little_endian)


def ramp(values: Values, low: float, high: float) -> Values:
    """Return grey values that rise linearly from 0 to 1, and are constant beyond both ends.

    Args:
        values: Modality values of any shape.
        low: The value that becomes 0.
        high: The value that becomes 1. If it is not above `low`, values above `low` become 1 and
            all others 0.
    """
    if high <= low:
        return (values > low).astype(np.float64)
    grey = values - low
    grey /= high - low
    return np.clip(grey, 0, 1, out=grey)


def _windows(dataset: Dataset) -> Iterator[tuple[float, float]]:
    return zip(numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth"), strict=False)


def _window(name: str, center: float, width: float, function: str | None) -> VoiTransform:
    # PS3.3 C.11.2.1.3.1, C.11.2.1.3.2 and, also for a function that is unknown, C.11.2.1.2.1
    if function == "SIGMOID":
        return VoiTransform(name, partial(_sigmoid, center=center, width=width))
    is_exact = function == "LINEAR_EXACT"
    ends = (center - width / 2, center + width / 2 - (0 if is_exact else 1))
    return VoiTransform(name, lambda values: ramp(values, *ends), ends)


def _sigmoid(values: Values, center: float, width: float) -> Values:
    # The logistic function 1 / (1 + exp(-4 (x - c) / w)) in a form that cannot overflow
    return np.asarray((1 + np.tanh(2 * (values - center) / width)) / 2)


def _apply_table(table: LookupTable, values: Values) -> Values:
    return ramp(table.apply(values), 0, table.white)
