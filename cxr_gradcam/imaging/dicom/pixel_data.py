"""From DICOM pixel data to stored values; pixel data of another size than announced is refused."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import get_expected_length
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from cxr_gradcam.imaging.dicom.code_stream import (
    is_encapsulated,
    jpeg_2000_size,
    jpeg_header,
    single_frame,
    start_of_jpeg_2000,
    syntax_of,
)
from cxr_gradcam.imaging.dicom.elements import describe_element, refuse_element
from cxr_gradcam.imaging.dicom.jpeg import decode_with_gdcm, needs_gdcm
from cxr_gradcam.imaging.radiograph import RadiographError

# pydicom would prefer GDCM, if installed, and a crash of GDCM would end the whole process. The
# other RLE decoder that may be installed panics at damaged data, which `except Exception` does not
# catch.
_PLUGINS = {
    JPEGBaseline8Bit: "pillow",
    **dict.fromkeys(JPEG2000TransferSyntaxes, "pylibjpeg"),
    RLELossless: "pydicom",
}
_ENCAPSULATED_UNCOMPRESSED = UID("1.2.840.10008.1.2.1.98")  # PS3.5 A.4.11
_FAMILIES = (
    frozenset({*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes}),
    frozenset(JPEG2000TransferSyntaxes),
    frozenset({RLELossless}),
)
_DECODED = frozenset().union(*_FAMILIES)
_UNCOMPRESSED = frozenset(
    {None, ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian}
    | {DeflatedExplicitVRLittleEndian, _ENCAPSULATED_UNCOMPRESSED}
)
_NATIVE_BITS = (1, 8, 16, 32, 64)


def native_syntax(declared: UID | None, start: bytes) -> UID:
    """Return the transfer syntax that the elements of a data set are written in.

    Args:
        declared: The transfer syntax of the meta information; None if it is missing.
        start: The first six bytes of the data set: a tag and, in explicit VR, a VR.
    """
    if declared in (ImplicitVRLittleEndian, ExplicitVRBigEndian):
        return declared
    if declared:
        return ExplicitVRLittleEndian
    if not start[4:6].isalpha():
        return ImplicitVRLittleEndian
    # Group 8 of big endian reads as 2048 in little endian.
    return ExplicitVRLittleEndian if start[1] == 0 else ExplicitVRBigEndian


def normalize_pixel_data(dataset: Dataset, native: UID) -> None:
    """Put one frame into one fragment, under the transfer syntax that the pixel data really has.

    Args:
        dataset: A data set as read from a file; PixelData and `file_meta` are changed in place.
        native: The transfer syntax that the data set's elements are written in.

    Raises:
        RadiographError: If the pixel data holds no frame, or a fragment is cut short.
    """
    declared = dataset.file_meta.get("TransferSyntaxUID")
    if not _is_compressed(dataset, declared):
        dataset.file_meta.TransferSyntaxUID = native
        return
    frame = single_frame(dataset.PixelData)
    if not frame:
        reason = "no fragment holds any of the image"
        refuse_element(dataset, "PixelData", reason, "Send or export it again, with its pixels.")
    syntax = _believed(declared, syntax_of(frame))
    if syntax is None:  # bytes of uncompressed pixels in a fragment
        syntax, dataset.PixelData = native, frame
    else:
        dataset.PixelData = encapsulate([_without_boxes(frame)])
    dataset.file_meta.TransferSyntaxUID = syntax
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        dataset.pop(keyword, None)


def _is_compressed(dataset: Dataset, declared: UID | None) -> bool:
    # Files exist whose compressed pixel data has a defined length.
    return bool(dataset["PixelData"].is_undefined_length) or (
        declared in _DECODED and is_encapsulated(dataset.PixelData)
    )


def _believed(declared: UID | None, recognized: UID | None) -> UID | None:
    """Return the declared syntax if the code stream agrees with it, else the recognized one."""
    if recognized is None:
        return None if declared in _UNCOMPRESSED else declared
    family = next(family for family in _FAMILIES if recognized in family)
    return declared if declared in family else recognized


def _without_boxes(frame: bytes) -> bytes:
    # pydicom's search through the boxes of a JP2 file never ends if a box has the length 0.
    return frame[start_of_jpeg_2000(frame) or 0 :]


def require_native_pixel_data(dataset: Dataset) -> None:
    """Refuse uncompressed pixel data that is too short, or of another depth than can be read.

    Args:
        dataset: An image's data set, completed; compressed pixel data is not examined.

    Raises:
        RadiographError: If the pixel data cannot be read.
    """
    if dataset.file_meta.TransferSyntaxUID not in _UNCOMPRESSED:
        return
    if dataset.BitsAllocated not in _NATIVE_BITS:
        bits = ", ".join(map(str, _NATIVE_BITS))
        refuse_element(dataset, "BitsAllocated", f"uncompressed pixels of {bits} bits can be read")
    held, needed = len(dataset.PixelData), get_expected_length(dataset)
    if held < needed:
        raise RadiographError(
            f"The DICOM file is incomplete: its uncompressed PixelData has {held:,} bytes, and "
            f"{dataset.Columns} by {dataset.Rows} pixels need {needed:,}. Copy, send or export "
            "the image again."
        )


def undecodable_message(dataset: Dataset) -> str:
    """Return the message for pixel data that cannot be decoded.

    Args:
        dataset: An image's data set with its `file_meta`.
    """
    uid = dataset.file_meta.TransferSyntaxUID
    name = f" ({uid.name})" if uid in AllTransferSyntaxes else ""
    syntax = f"{describe_element(dataset.file_meta, 'TransferSyntaxUID')}{name}"
    if uid in _DECODED:
        return (
            f"The compressed pixel data of the DICOM file cannot be decoded; {syntax}. It is "
            "damaged or cut short, or of a kind that the decoder does not support. Copy or send "
            "the file again; if that does not help, export the image uncompressed (Explicit VR "
            "Little Endian) or as PNG."
        )
    if uid not in _UNCOMPRESSED:
        return (
            "The pixel data of the DICOM file is compressed in a way that cannot be decoded; "
            f"{syntax}. Export the image uncompressed (Explicit VR Little Endian) or as PNG."
        )
    return (
        "The pixel data of the DICOM file contradicts its header (Rows, Columns, BitsAllocated, "
        "SamplesPerPixel, PhotometricInterpretation). Export the image from its viewer as PNG."
    )


def decode_pixels(dataset: Dataset) -> NDArray[np.integer]:
    """Decode the stored values of the one frame.

    Args:
        dataset: An image's data set, completed and with normalized pixel data. Where a colour code
            stream states its own colour space, PhotometricInterpretation is corrected in place.

    Returns:
        Stored values (H, W), or (H, W, 3) in colour, signed or unsigned as PixelRepresentation
        says.

    Raises:
        RadiographError: If the code stream has another size than the header.
        Exception: Whatever a decoder raises at damaged pixel data.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in _UNCOMPRESSED:
        return _decode_native(dataset)
    if syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        return _decode_jpeg(dataset)
    if syntax in JPEG2000TransferSyntaxes:
        _require_size(dataset, *jpeg_2000_size(_frame(dataset)))
    return _decode(dataset)


def _frame(dataset: Dataset) -> bytes:
    return get_frame(dataset.PixelData, 0, number_of_frames=1)


def _decode_jpeg(dataset: Dataset) -> NDArray[np.integer]:
    frame = _frame(dataset)
    header = jpeg_header(frame)
    _require_size(dataset, header.rows, header.columns)
    if needs_gdcm(header):
        return _with_sign(decode_with_gdcm(frame), dataset)
    # Pillow reads all other processes, whatever name the file gives them.
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return _decode(dataset)


def _decode(dataset: Dataset) -> NDArray[np.integer]:
    syntax = dataset.file_meta.TransferSyntaxUID
    stored, properties = get_decoder(syntax).as_array(
        dataset, index=0, raw=True, decoding_plugin=_PLUGINS.get(syntax, "")
    )
    dataset.PhotometricInterpretation = str(properties["photometric_interpretation"])
    return stored


def _decode_native(dataset: Dataset) -> NDArray[np.integer]:
    # pydicom keeps the lowest bits, wherever HighBit says that the value is.
    allocated, bits = dataset.BitsAllocated, dataset.BitsStored
    dataset.BitsStored = allocated
    words = _decode(dataset)
    dataset.BitsStored = bits
    return _bits_of(words, allocated - 1 - dataset.HighBit, allocated - bits)


def _bits_of(words: NDArray[np.integer], bits_above: int, unused_bits: int) -> NDArray[np.integer]:
    in_place = bits_above == unused_bits and words.dtype.kind == "u"
    if not unused_bits or (in_place and words.max() >> (8 * words.itemsize - unused_bits) == 0):
        return words
    shifted = words << bits_above
    shifted >>= unused_bits  # this extends the sign
    return shifted


def _with_sign(samples: NDArray[np.unsignedinteger], dataset: Dataset) -> NDArray[np.integer]:
    # JPEG and JPEG-LS have no sign: they hold signed values as two's complement.
    if not dataset.PixelRepresentation:
        return samples
    signed = samples.view(np.dtype(f"i{samples.itemsize}"))
    unused = max(0, 8 * samples.itemsize - dataset.BitsStored)
    return _bits_of(signed, unused, unused)


def _require_size(dataset: Dataset, rows: int, columns: int) -> None:
    # Decoders reserve the memory that the code stream announces, which can be gigabytes.
    if (rows, columns) != (dataset.Rows, dataset.Columns):
        raise RadiographError(
            f"The DICOM file contradicts itself: its code stream has {columns} by {rows} pixels, "
            f"and its header (Columns, Rows) says {dataset.Columns} by {dataset.Rows}. Export the "
            "image again."
        )
