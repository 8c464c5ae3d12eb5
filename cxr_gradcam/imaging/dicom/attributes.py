"""The attributes of a DICOM image as numbers, and those that are missing."""

import math

from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
)

from cxr_gradcam.imaging.dicom.elements import refuse_element

_MODALITY_OF_CLASS = {
    ComputedRadiographyImageStorage: "CR",
    DigitalXRayImageStorageForPresentation: "DX",
    DigitalXRayImageStorageForProcessing: "DX",
}
_INTERPRETATION_OF_SHAPE = {"INVERSE": "MONOCHROME1", "IDENTITY": "MONOCHROME2"}
_WHOLE_NUMBERS = (
    *("NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
)
_BINARY_VRS = frozenset({"FL", "FD", "US", "SS", "UL", "SL"})


def complete_description(dataset: Dataset) -> None:
    """Convert whole numbers, and set Modality, PhotometricInterpretation and SamplesPerPixel.

    A missing attribute is set only if a single value makes sense. A radiograph can be MONOCHROME1
    or MONOCHROME2, so the interpretation is set only from PresentationLUTShape.

    Args:
        dataset: An image's data set; changed in place.

    Raises:
        RadiographError: an attribute that must be a whole number is not one.
    """
    for keyword in _WHOLE_NUMBERS:
        _convert_whole_number(dataset, keyword)
    if dataset.get("NumberOfFrames") == 0:
        del dataset.NumberOfFrames
    if not dataset.get("Modality"):
        storage_class = dataset.get("SOPClassUID") or dataset.file_meta.get(
            "MediaStorageSOPClassUID"
        )
        dataset.Modality = _MODALITY_OF_CLASS.get(storage_class, "")
    if not dataset.get("PhotometricInterpretation"):
        shape = dataset.get("PresentationLUTShape")
        dataset.PhotometricInterpretation = _INTERPRETATION_OF_SHAPE.get(shape, "")
    if not dataset.get("SamplesPerPixel"):
        is_one = str(dataset.PhotometricInterpretation).startswith(("MONOCHROME", "PALETTE"))
        dataset.SamplesPerPixel = 1 if is_one else 3


def _convert_whole_number(dataset: Dataset, keyword: str) -> None:
    if not numbers(dataset, keyword):
        dataset.pop(keyword, None)
    elif (number := first_number(dataset, keyword)) is None:
        refuse_element(dataset, keyword, "a whole number is needed")
    else:
        setattr(dataset, keyword, int(number))


def complete_bits(dataset: Dataset) -> None:
    """Set the attributes that say where samples are in the pixel data, if missing or impossible.

    Args:
        dataset: An image's data set; changed in place.
    """
    if dataset.SamplesPerPixel == 3 and dataset.get("PlanarConfiguration") not in (0, 1):
        dataset.PlanarConfiguration = 0
    if not dataset.get("BitsAllocated"):
        dataset.BitsAllocated = _derived_bits_allocated(dataset)
    allocated = dataset.BitsAllocated
    if not 0 < dataset.get("BitsStored", 0) <= allocated:
        dataset.BitsStored = allocated
    # Like DCMTK, a high bit of 0 counts as missing.
    if not dataset.BitsStored <= dataset.get("HighBit", 0) + 1 <= allocated:
        dataset.HighBit = dataset.BitsStored - 1
    if dataset.get("PixelRepresentation") not in (0, 1):
        dataset.PixelRepresentation = 0


def _derived_bits_allocated(dataset: Dataset) -> int:
    if stored := dataset.get("BitsStored"):
        return 8 if stored <= 8 else 16
    samples = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel
    return 16 if len(dataset.get("PixelData") or b"") >= 2 * samples else 8


def is_inverted(dataset: Dataset) -> bool:
    """Return whether low values are shown white.

    If the file has a PresentationLUTShape, it decides, as in DCMTK, since the shape describes the
    output to the display (PS3.3 C.11.6); else PhotometricInterpretation decides.

    Args:
        dataset: The data set of a grey image.
    """
    shape = dataset.get("PresentationLUTShape")
    interpretation = _INTERPRETATION_OF_SHAPE.get(shape, dataset.PhotometricInterpretation)
    return bool(interpretation == "MONOCHROME1")


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """Return the values of an element as numbers.

    Args:
        dataset: The data set with the element; the element may be missing.
        keyword: The element's keyword in PS3.6.

    Returns:
        One number per value, NaN for a value that is not a number; an empty list if the element is
        missing or empty.

    Example:
        >>> dataset = Dataset()
        >>> dataset.WindowCenter = [2048, 600]
        >>> numbers(dataset, "WindowCenter")
        [2048.0, 600.0]
    """
    # As stored in the file: pydicom refuses a whole element for one of its values.
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
    # PS3.5 6.2 has the decimal point alone; some programs write the comma of their country.
    try:
        return float(str(item).strip("\0 ").replace(",", ".", 1))
    except ValueError:
        return math.nan


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of an element as a number.

    Args:
        dataset: The data set with the element; the element may be missing.
        keyword: The element's keyword in PS3.6.

    Returns:
        The number; None if the element is missing or its first value is not a finite number.
    """
    values = numbers(dataset, keyword)
    return values[0] if values and math.isfinite(values[0]) else None
