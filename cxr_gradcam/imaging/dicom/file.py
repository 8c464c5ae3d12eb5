"""From a DICOM file to grey values as a viewer shows them.

PS3.x stands for that part of the DICOM standard. Only the elements that the picture needs are
parsed, so that nothing of the patient can reach a message, a warning or a log.
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
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cxr_gradcam.imaging.dicom.attributes import complete_bits, complete_kind
from cxr_gradcam.imaging.dicom.elements import INVALID, hide_texts, refuse_element
from cxr_gradcam.imaging.dicom.grey_scale import display
from cxr_gradcam.imaging.dicom.pixel_data import (
    decode_pixels,
    native_syntax,
    set_transfer_syntax,
    undecodable_message,
)
from cxr_gradcam.imaging.dicom.stored_values import stored_image
from cxr_gradcam.imaging.pixels import full_scale, to_unit_range
from cxr_gradcam.imaging.radiograph import (
    MAX_BYTES,
    RadiographError,
    check_size,
    raising_radiograph_error,
)
from cxr_gradcam.imaging.stored_values import StoredValues, from_grey

# PS3.3 C.7.3.1.1.1. DR is not defined there but met in practice; XC is the photograph of a film.
MODALITIES: frozenset[str] = frozenset({"CR", "DX", "DR", "RG", "XC"})

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
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData"),
)
_TAGS: list[BaseTag | int] = [Tag(keyword) for keyword in _KEYWORDS]


_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_GREYS_OF_COLOUR = 2**12 - 1  # luma of 8 bits has finer steps than 256
_PREAMBLE = bytes(128) + b"DICM"
# The first element of a data set without preamble: group 2 or 8, then its type or a short length
_BARE = re.compile(
    rb"[\x02\x08]\0..(?:[A-Z]{2}|..\0\0)|\0[\x02\x08]..[A-Z]{2}|DICM\x02\0", re.DOTALL
)


def is_dicom(data: bytes) -> bool:
    """Return whether a file is DICOM: by its preamble."""
    return data[128:132] == b"DICM"


def is_bare_dicom(data: bytes) -> bool:
    """Return whether a file may be a DICOM data set without preamble."""
    return bool(_BARE.match(data))


def read_dicom(data: bytes) -> NDArray[np.float32]:
    """Read a single-frame projection radiograph as it is meant to be displayed.

    The steps, in the order of PS3.4 N.2.1: padding is masked in the stored values (PS3.3
    C.7.5.1.1.2), then come the modality LUT or rescale (C.11.1), the VOI LUT or window (C.11.2)
    and the inversion of MONOCHROME1 (C.7.6.3.1.2).

    A VOI LUT goes before a window, and of several the first that can be used counts. 0 and 1 are
    the ends of the window or of the LUT's output, whatever the image holds; without either, they
    are the least and the greatest value that is not padding. Padding is shown as 0. Colour, which
    photographs of films have, becomes luma, without any of these steps. The pixels are taken as
    square: pixel spacing and aspect ratio are not applied, and neither are overlays and shutters.

    Args:
        data: A DICOM file (PS3.10), or the data set alone, without preamble and meta information.

    Returns:
        Grey values (H, W) in [0, 1], high = dense.

    Raises:
        RadiographError: If the modality is not in `MODALITIES`; if the image has no or several
            frames, is too large, damaged, or compressed in a way that cannot be decoded.
    """
    grey, _ = read_dicom_values(data)
    return grey


def read_dicom_values(data: bytes) -> tuple[NDArray[np.float32], Callable[[], StoredValues]]:
    """Read a single-frame projection radiograph as `read_dicom` does, and its stored values.

    Args:
        data: As of `read_dicom`.

    Returns:
        Grey values (H, W) in [0, 1], and what makes the stored values for a viewer.

    Raises:
        RadiographError: As of `read_dicom`.
    """
    stored, dataset = _decoded(data)
    with _refusing_grey_scale():
        if stored.ndim == 3:
            grey = _colour_as_grey(stored, dataset)
            return grey, partial(from_grey, grey, _GREYS_OF_COLOUR)
        return display(stored, dataset), partial(_stored_image, stored, dataset)


def _stored_image(stored: NDArray[np.integer], dataset: Dataset) -> StoredValues:
    with _refusing_grey_scale():
        return stored_image(stored, dataset)


def _refusing_grey_scale() -> AbstractContextManager[None]:
    return raising_radiograph_error(
        "The grey scale attributes of the DICOM file are damaged. Export it again."
    )


def _decoded(data: bytes) -> tuple[NDArray[np.integer], Dataset]:
    with raising_radiograph_error("The DICOM file is damaged or cut short. Export it again."):
        dataset = _parse(data)
        _require_radiograph(dataset)
        complete_bits(dataset)
        undecodable = undecodable_message(dataset)
    with raising_radiograph_error(undecodable):
        return decode_pixels(dataset), dataset


def _colour_as_grey(stored: NDArray[np.integer], dataset: Dataset) -> NDArray[np.float32]:
    # The first sample of YBR_FULL is luma already (PS3.3 C.7.6.3.1.2).
    is_rgb = dataset.PhotometricInterpretation == "RGB"
    white = full_scale(int(stored.max()), int(dataset.BitsStored))
    return to_unit_range(stored if is_rgb else stored[..., 0], white)


def _parse(data: bytes) -> Dataset:
    # pydicom's own reader of files would warn of damaged meta information, whatever it holds.
    if not is_dicom(data):
        data = _PREAMBLE + data.removeprefix(b"DICM")
    stream = BytesIO(data)
    stream.seek(len(_PREAMBLE))
    meta = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag.group != 2)
    hide_texts(meta)
    if meta.get("TransferSyntaxUID") == INVALID:
        refuse_element(meta, "TransferSyntaxUID", "the file is damaged")
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        stream = BytesIO(_inflated(stream.read()))
    return _parse_dataset(stream, meta)


def _parse_dataset(stream: BytesIO, meta: Dataset) -> Dataset:
    syntax = native_syntax(meta.get("TransferSyntaxUID"), stream.read(6))
    stream.seek(-6, os.SEEK_CUR)
    dataset = read_dataset(
        stream, syntax.is_implicit_VR, syntax.is_little_endian, specific_tags=_TAGS
    )
    hide_texts(dataset)
    dataset.file_meta = FileMetaDataset(meta)
    set_transfer_syntax(dataset, syntax)
    complete_kind(dataset)
    return dataset


def _inflated(deflated: bytes) -> bytes:
    # A megabyte can become a gigabyte.
    data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(deflated, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise RadiographError(
            f"The deflated DICOM file holds more than {MAX_BYTES:,} bytes. Export it uncompressed."
        )
    return data


def _require_radiograph(dataset: Dataset) -> None:
    if dataset.get("Modality") not in MODALITIES:
        kinds = ", ".join(sorted(MODALITIES))
        refuse_element(dataset, "Modality", f"only projection radiographs ({kinds}) can be read")
    if "PixelData" not in dataset:
        refuse_element(dataset, "PixelData", "the file holds no image or was cut short")
    if dataset.PhotometricInterpretation not in (*_GREY, *_COLOUR):
        reason = f"{', '.join((*_GREY, *_COLOUR))} can be read"
        refuse_element(dataset, "PhotometricInterpretation", reason)
    if dataset.SamplesPerPixel != (1 if dataset.PhotometricInterpretation in _GREY else 3):
        reason = f"this does not go with {dataset.PhotometricInterpretation}"
        refuse_element(dataset, "SamplesPerPixel", reason)
    if _is_contradictory(dataset):
        reason = "PhotometricInterpretation says otherwise what is black and what is white"
        refuse_element(dataset, "PresentationLUTShape", reason)
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        refuse_element(dataset, "NumberOfFrames", "a series of pictures is no single radiograph")
    check_size(int(dataset.Rows), int(dataset.Columns))


def _is_contradictory(dataset: Dataset) -> bool:
    # PS3.3 C.7.6.1: INVERSE shall be used with MONOCHROME1, whose inversion it repeats. Beside
    # MONOCHROME2 it leaves open whether bone is white.
    pair = (dataset.PhotometricInterpretation, dataset.get("PresentationLUTShape"))
    return pair == ("MONOCHROME2", "INVERSE")
