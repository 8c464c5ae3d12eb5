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
        explanation: What the file says of it; "" where it says nothing.
        apply: Turns modality values into grey values in [0, 1].
        ends: The modality values that become 0 and 1, where a straight line lies between them.
    """

    explanation: str
    apply: Callable[[Values], Values]
    ends: Range | None = None


def values_of_interest(dataset: Dataset, possible: Range) -> Iterator[VoiTransform]:
    """Yield the VOI LUTs and then the windows of a file that can be used, in the file's order.

    Args:
        dataset: The file's attributes.
        possible: The least and the greatest modality value.
    """
    for table in tables(dataset, "VOILUTSequence", possible):
        yield VoiTransform(table.explanation, partial(_looked_up, table))
    names = chain(explanations(dataset, "WindowCenterWidthExplanation"), repeat(""))
    function = dataset.get("VOILUTFunction")
    for (center, width), name in zip(_windows(dataset), names, strict=False):
        if not math.isfinite(center + width) or width <= 0:
            continue
        if width >= 1 or function in ("LINEAR_EXACT", "SIGMOID"):
            yield _window(name, center, width, function)


def tables(dataset: Dataset, keyword: str, possible: Range) -> Iterator[LookupTable]:
    """Yield the tables of a sequence of LUTs that can be used."""
    is_little_endian = dataset.file_meta.TransferSyntaxUID.is_little_endian
    return usable_tables(dataset.get(keyword), possible, is_little_endian=is_little_endian)


def ramp(values: Values, low: float, high: float) -> Values:
    """Return grey values that rise from 0 at `low` to 1 at `high`; a step where they are one."""
    if high <= low:
        return (values > low).astype(np.float64)
    shown = values - low
    shown /= high - low
    return np.clip(shown, 0, 1, out=shown)


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


def _looked_up(table: LookupTable, values: Values) -> Values:
    return ramp(table.apply(values), 0, table.white)
