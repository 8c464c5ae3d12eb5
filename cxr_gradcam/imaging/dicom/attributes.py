"""The attributes of a DICOM image: those that are missing, and numbers as files write them."""

import math

from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
)

_MODALITY_OF_CLASS = {
    ComputedRadiographyImageStorage: "CR",
    DigitalXRayImageStorageForPresentation: "DX",
    DigitalXRayImageStorageForProcessing: "DX",
}
_INTERPRETATION_OF_SHAPE = {"INVERSE": "MONOCHROME1", "IDENTITY": "MONOCHROME2"}
_BINARY_VRS = frozenset({"FL", "FD", "US", "SS", "UL", "SL"})


def complete_kind(dataset: Dataset) -> None:
    """Set what is missing of Modality, PhotometricInterpretation and SamplesPerPixel.

    Args:
        dataset: Completed in place, where one value alone is sensible: a radiograph may be
            MONOCHROME1 or MONOCHROME2, save where PresentationLUTShape tells which.
    """
    if not dataset.get("Modality"):
        storage_class = dataset.get("SOPClassUID") or dataset.file_meta.get(
            "MediaStorageSOPClassUID"
        )
        dataset.Modality = _MODALITY_OF_CLASS.get(storage_class, "")
    if not dataset.get("PhotometricInterpretation"):
        shape = dataset.get("PresentationLUTShape")
        dataset.PhotometricInterpretation = _INTERPRETATION_OF_SHAPE.get(shape, "")
    if not dataset.get("SamplesPerPixel"):
        is_grey = str(dataset.PhotometricInterpretation).startswith("MONOCHROME")
        dataset.SamplesPerPixel = 1 if is_grey else 3


def complete_bits(dataset: Dataset) -> None:
    """Set what is missing of how the samples stand in the pixel data, or cannot be so.

    Args:
        dataset: Of an image; completed in place.
    """
    if dataset.SamplesPerPixel == 3 and dataset.get("PlanarConfiguration") not in (0, 1):
        dataset.PlanarConfiguration = 0
    if not dataset.get("BitsAllocated"):
        dataset.BitsAllocated = _bits_that_were_allocated(dataset)
    allocated = int(dataset.BitsAllocated)
    if not 0 < int(dataset.get("BitsStored") or 0) <= allocated:
        dataset.BitsStored = allocated
    # DCMTK takes a high bit of 0 as missing too.
    if not dataset.BitsStored <= int(dataset.get("HighBit") or 0) + 1 <= allocated:
        dataset.HighBit = dataset.BitsStored - 1
    if dataset.get("PixelRepresentation") not in (0, 1):
        dataset.PixelRepresentation = 0


def _bits_that_were_allocated(dataset: Dataset) -> int:
    if stored := int(dataset.get("BitsStored") or 0):
        return 8 if stored <= 8 else 16
    samples = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel)
    return 16 if len(dataset.get("PixelData") or b"") >= 2 * samples else 8


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Return the values of an element; NaN stands for each that is no number.

    Args:
        dataset: Where the element stands, or is missing.
        keyword: The element's keyword in the standard's dictionary.

    Returns:
        As many values as the element has: none where it is missing or empty.

    Example:
        >>> dataset = Dataset()
        >>> dataset.WindowCenter = [2048, 600]
        >>> numbers(dataset, "WindowCenter")
        [2048.0, 600.0]
    """
    # Not yet converted by pydicom, which refuses a whole element for one of its values
    element = dataset.get_item(keyword)
    value = None if element is None else element.value
    if isinstance(value, bytes) and element.VR not in _BINARY_VRS:
        value = value.decode("latin-1").rstrip("\0 ").split("\\")
    elif isinstance(value, bytes):
        value = dataset[keyword].value
    if value is None or value in ("", [""]):
        return []
    values = [value] if isinstance(value, (str, int, float)) else value
    return [_number(item) for item in values]


def _number(item: object) -> float:
    try:
        return float(str(item).strip("\0 "))
    except ValueError:
        return math.nan


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of an element, or None where it is missing or no finite number."""
    values = numbers(dataset, keyword)
    return values[0] if values and math.isfinite(values[0]) else None
