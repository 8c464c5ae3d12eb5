"""From a DICOM file to grey values as a viewer shows them.

PS3.x is that part of the DICOM standard. Only the elements that the pixels need are parsed, so that
no data about the patient can reach a message, a warning or a log.
"""

import os
import re
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage

from cxr_gradcam.imaging.decompression import inflate
from cxr_gradcam.imaging.dicom.attributes import complete_bits, complete_description
from cxr_gradcam.imaging.dicom.elements import INVALID, clean_elements, refuse_element
from cxr_gradcam.imaging.dicom.grey_scale import display
from cxr_gradcam.imaging.dicom.pixel_data import (
    decode_pixels,
    native_syntax,
    normalize_pixel_data,
    require_native_pixel_data,
    undecodable_message,
)
from cxr_gradcam.imaging.dicom.stored_values import patient_orientation, stored_values
from cxr_gradcam.imaging.pixels import full_scale, to_unit_range
from cxr_gradcam.imaging.radiograph import (
    RadiographError,
    check_size,
    raising_radiograph_error,
)
from cxr_gradcam.imaging.stored_values import StoredValues, from_grey

MODALITIES: frozenset[str] = frozenset({"CR", "DX", "DR", "RG", "XC"})
"""The modalities of projection radiographs (PS3.3 C.7.3.1.1.1).

DR is not defined there but occurs in practice; XC is the photograph of a film.
"""

_KEYWORDS = (
    *("SOPClassUID", "Modality", "PresentationLUTShape", "PhotometricInterpretation"),
    *("NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    *("VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth"),
    *("WindowCenterWidthExplanation", "PatientOrientation", "PixelSpacing"),
    *("PixelSpacingCalibrationType", "ImagerPixelSpacing"),
    "EstimatedRadiographicMagnificationFactor",
    *(
        f"{segmented}{color}PaletteColorLookupTable{part}"
        for color in ("Red", "Green", "Blue")
        for segmented, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
    ),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData"),
)
_TAGS: list[BaseTag | int] = [Tag(keyword) for keyword in _KEYWORDS]

_GREY = ("MONOCHROME1", "MONOCHROME2")
_PALETTE = "PALETTE COLOR"
_COLOR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_WHITE_OF_COLOR = 2**12 - 1  # luma of 8-bit colour has more than 256 levels
_DAMAGED = (
    "The DICOM file is damaged or cut short: its elements cannot be parsed. Copy, send or export "
    "it again."
)
_PREAMBLE = bytes(128) + b"DICM"
# The first element of a data set without preamble: group 2 or 8, then a VR or a short length
_BARE = re.compile(
    rb"[\x02\x08]\0..(?:[A-Z]{2}|..\0\0)|\0[\x02\x08]..[A-Z]{2}|DICM\x02\0", re.DOTALL
)
_FRAGMENT = b"\xfe\xff\x00\xe0"
_ANY_HEADER = 32 + zlib.MAX_WBITS  # of zlib or gzip
_SEQUENCE_DELIMITER = b"\xfe\xff\xdd\xe0" + bytes(4)


def is_dicom(data: bytes) -> bool:
    """Return whether a file is DICOM, by its preamble."""
    return data[128:132] == b"DICM"


def is_bare_dicom(data: bytes) -> bool:
    """Return whether a file may be a DICOM data set without preamble."""
    return bool(_BARE.match(data))


def read_dicom(data: bytes) -> NDArray[np.float32]:
    """Read a single-frame projection radiograph as it is meant to be displayed.

    The steps, in the order of PS3.4 N.2.1: padding is masked in the stored values (PS3.3
    C.7.5.1.1.2); then come the modality LUT or rescale (C.11.1), the VOI LUT or window (C.11.2),
    and the inversion by PresentationLUTShape or else MONOCHROME1 (C.11.6, C.7.6.3.1.2).

    A VOI LUT has precedence over a window, and the first usable one of several is applied. 0 and 1
    are the ends of the window or of the LUT's output, whatever the image contains; without both, 0
    and 1 are the least and the greatest value that is not padding. Padding becomes 0. Colour, as in
    photographs of films, becomes luma, without any of these steps; so do the colours of a palette.
    Pixel spacing and aspect ratio are not applied (pixels are taken as square), and neither are
    overlays and shutters.

    Args:
        data: A DICOM file (PS3.10), or a data set alone, without preamble and meta information.

    Returns:
        Grey values (H, W) in [0, 1]; high values are dense.

    Raises:
        RadiographError: If the modality is not in `MODALITIES`; if the image has no frame or
            several frames; if it is too large, damaged or incomplete; or if its compression cannot
            be decoded.
    """
    grey, _, _ = read_dicom_with_stored_values(data)
    return grey


def read_dicom_with_stored_values(
    data: bytes,
) -> tuple[NDArray[np.float32], tuple[str, str] | None, Callable[[], StoredValues]]:
    """Read a radiograph like `read_dicom`, with its stored values.

    Args:
        data: A DICOM file (PS3.10), or a data set alone, without preamble and meta information.

    Returns:
        Grey values (H, W) in [0, 1]; the patient's directions of rows and columns, or None; and a
        function that returns the stored values for a viewer.

    Raises:
        RadiographError: If the file cannot be read, as in `read_dicom`.
    """
    stored, dataset = _decode(data)
    orientation = patient_orientation(dataset)
    with _as_grey_scale_error():
        if stored.ndim == 3:
            grey = _luma(stored, dataset)
            return grey, orientation, partial(from_grey, grey, _WHITE_OF_COLOR)
        return display(stored, dataset), orientation, partial(_stored_values, stored, dataset)


def _stored_values(stored: NDArray[np.integer], dataset: Dataset) -> StoredValues:
    with _as_grey_scale_error():
        return stored_values(stored, dataset)


def _as_grey_scale_error() -> AbstractContextManager[None]:
    return raising_radiograph_error(
        "The attributes of the DICOM file for its grey scale (padding, rescale, window, LUT) are "
        "damaged. Export the image again, or from its viewer as PNG."
    )


def _decode(data: bytes) -> tuple[NDArray[np.integer], Dataset]:
    with raising_radiograph_error(_DAMAGED):
        dataset, syntax = _parse(data)
        complete_description(dataset)
        _require_radiograph(dataset)
        normalize_pixel_data(dataset, syntax)
        complete_bits(dataset)
        require_native_pixel_data(dataset)
        message = undecodable_message(dataset)
    with raising_radiograph_error(message):
        stored = decode_pixels(dataset)
    if dataset.PhotometricInterpretation == _PALETTE:
        stored = _palette_colors(stored, dataset)
    return stored, dataset


def _palette_colors(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.integer]:
    """Look up the colours (H, W, 3) of stored values (PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6)."""
    with raising_radiograph_error(
        "The colour table of the DICOM file (PALETTE COLOR) is missing or damaged. Export the "
        "image from its viewer as PNG."
    ):
        colors = apply_color_lut(stored, dataset)
    dataset.PhotometricInterpretation, dataset.BitsStored = "RGB", 8 * colors.itemsize
    return colors


def _luma(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.float32]:
    # The first sample of YBR_FULL is luma already (PS3.3 C.7.6.3.1.2).
    is_rgb = dataset.PhotometricInterpretation == "RGB"
    white = full_scale(int(stored.max()), dataset.BitsStored)
    return to_unit_range(stored if is_rgb else stored[..., 0], white)


def _parse(data: bytes) -> tuple[Dataset, UID]:
    """Return the data set with its meta information, and the syntax that it is written in."""
    meta, stream, syntax = open_data_set(data)
    dataset = _elements(stream, syntax)
    dataset.file_meta = FileMetaDataset(meta)
    return dataset, syntax


def open_data_set(data: bytes) -> tuple[Dataset, BytesIO, UID]:
    """Find the data set of a file, whether deflated, without preamble or without meta information.

    Args:
        data: A DICOM file, or its beginning.

    Returns:
        The meta information; a stream at the first element of the data set; and the transfer syntax
        that its elements are written in.

    Raises:
        RadiographError: If the meta information is damaged, or the inflated data is too large.
    """
    # pydicom's own reader of files would warn of damaged meta information by quoting it.
    if not is_dicom(data):
        data = _PREAMBLE + data.removeprefix(b"DICM")
    stream = BytesIO(data)
    stream.seek(len(_PREAMBLE))
    meta = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag.group != 2)
    clean_elements(meta)
    declared = meta.get("TransferSyntaxUID")
    if declared == INVALID:
        remedy = "Copy, send or export the file again."
        refuse_element(meta, "TransferSyntaxUID", "the file is damaged", remedy)
    if declared == DeflatedExplicitVRLittleEndian:
        stream = BytesIO(_inflated(stream.read()))
    syntax = native_syntax(declared, stream.read(6))
    stream.seek(-6, os.SEEK_CUR)
    return meta, stream, syntax


def _inflated(deflated: bytes) -> bytes:
    # PS3.5 A.5 has no header around the deflated data; some writers add one.
    for window_bits in (-zlib.MAX_WBITS, _ANY_HEADER):
        try:
            return inflate(deflated, window_bits)
        except zlib.error:
            continue
    return deflated  # not deflated, whatever the file says


def _elements(stream: BytesIO, syntax: UID) -> Dataset:
    start = stream.tell()
    dataset = _read_elements(stream, syntax)
    data = stream.getvalue()
    if "PixelData" not in dataset and data.find(_FRAGMENT, start) > 0:
        # pydicom drops pixel data whose end is not marked.
        dataset = _read_elements(BytesIO(data[start:] + _SEQUENCE_DELIMITER), syntax)
    clean_elements(dataset)
    return dataset


def _read_elements(stream: BytesIO, syntax: UID) -> Dataset:
    return read_dataset(stream, syntax.is_implicit_VR, syntax.is_little_endian, specific_tags=_TAGS)


def _require_radiograph(dataset: Dataset) -> None:
    if dataset.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise RadiographError(
            "This is a DICOMDIR, the index of a disc or folder. Choose one of the files that it "
            "lists, or the folder."
        )
    if dataset.get("Modality") not in MODALITIES:
        kinds = ", ".join(sorted(MODALITIES))
        reason = f"only projection radiographs ({kinds}) can be read"
        remedy = "Choose a radiograph; if this is one, export it from its viewer as PNG."
        refuse_element(dataset, "Modality", reason, remedy)
    if not dataset.get("PixelData"):
        reason = "the file is a header without an image, or was cut short"
        refuse_element(dataset, "PixelData", reason, "Send or export it again, with its pixels.")
    _require_interpretation(dataset)
    if dataset.get("NumberOfFrames", 1) != 1:
        reason = "a series of images is no single radiograph"
        remedy = "Choose a file with one frame, or export one frame from its viewer as PNG."
        refuse_element(dataset, "NumberOfFrames", reason, remedy)
    for keyword in ("Rows", "Columns"):
        if keyword not in dataset:
            refuse_element(dataset, keyword, "the size of the image is unknown")
    check_size(dataset.Rows, dataset.Columns)


def _require_interpretation(dataset: Dataset) -> None:
    interpretation = dataset.PhotometricInterpretation
    if interpretation not in (*_GREY, _PALETTE, *_COLOR):
        reason = f"{', '.join((*_GREY, _PALETTE, *_COLOR))} can be read"
        refuse_element(dataset, "PhotometricInterpretation", reason)
    if dataset.SamplesPerPixel != (3 if interpretation in _COLOR else 1):
        reason = f"this contradicts PhotometricInterpretation, which is {interpretation}"
        refuse_element(dataset, "SamplesPerPixel", reason)
