"""From DICOM pixel data to stored values; code streams that lie about their size are refused."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.decoders.base import get_decoder
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
    START_OF_JPEG_2000,
    jpeg_2000_size,
    jpeg_header,
    syntax_of,
)
from cxr_gradcam.imaging.dicom.elements import describe_element
from cxr_gradcam.imaging.dicom.jpeg import decode_with_gdcm, needs_gdcm
from cxr_gradcam.imaging.radiograph import RadiographError

# GDCM, where it is installed, would come first and bring the page down with it. The other RLE
# decoder that may be installed panics at damaged data, which is no Exception.
_PLUGINS = {
    JPEGBaseline8Bit: "pillow",
    **dict.fromkeys(JPEG2000TransferSyntaxes, "pylibjpeg"),
    RLELossless: "pydicom",
}


def undecodable_message(dataset: Dataset) -> str:
    """Return what an error says of pixel data that cannot be decoded."""
    uid = dataset.file_meta.get("TransferSyntaxUID")
    name = f" ({uid.name})" if uid in AllTransferSyntaxes else ""
    return (
        "The pixel data of the DICOM file cannot be decoded; they are damaged, or there is no "
        f"decoder: {describe_element(dataset.file_meta, 'TransferSyntaxUID')}{name}. "
        "Export the image uncompressed (Explicit VR Little Endian) or as PNG."
    )


def native_syntax(declared: UID | None, start: bytes) -> UID:
    """Return the transfer syntax that a data set itself is written in, without its pixel data.

    Args:
        declared: What the meta information says, if it does.
        start: The first six bytes of the data set: a tag, and in explicit VR its type.
    """
    if declared in (ImplicitVRLittleEndian, ExplicitVRBigEndian):
        return declared
    if declared:
        return ExplicitVRLittleEndian
    if not start[4:6].isalpha():
        return ImplicitVRLittleEndian
    # Group 8 of big endian reads as 2048 in little endian.
    return ExplicitVRLittleEndian if start[1] == 0 else ExplicitVRBigEndian


def set_transfer_syntax(dataset: Dataset, native: UID) -> None:
    """Set the transfer syntax where it is missing, or contradicts how the pixel data stands.

    Args:
        dataset: As it was read from a file; its `file_meta` is changed in place.
        native: What the data set itself is written in.
    """
    declared = dataset.file_meta.get("TransferSyntaxUID")
    if "PixelData" not in dataset or not dataset["PixelData"].is_undefined_length:
        dataset.file_meta.TransferSyntaxUID = native
    elif not declared or declared in (native, DeflatedExplicitVRLittleEndian):
        dataset.file_meta.TransferSyntaxUID = syntax_of(_frame(dataset))


def _frame(dataset: Dataset) -> bytes:
    return get_frame(dataset.PixelData, 0, number_of_frames=1)


def decode_pixels(dataset: Dataset) -> NDArray[np.integer]:
    """Return the stored values of the one frame.

    Args:
        dataset: Completed, with its `file_meta`, whose transfer syntax says how the pixel data is
            compressed. Where a colour code stream tells its own colour space, its
            PhotometricInterpretation is corrected in place.

    Returns:
        Stored values (H, W), or (H, W, 3) in colour, signed or unsigned as they are meant.

    Raises:
        RadiographError: If the code stream has another size than the attributes.
        Exception: Whatever a decoder raises at damaged pixel data.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        return _decode_jpeg(dataset)
    if syntax in JPEG2000TransferSyntaxes:
        _require_size(dataset, *jpeg_2000_size(_frame(dataset)))
        _remove_boxes(dataset)
    elif not syntax.is_encapsulated:
        return _decode_native(dataset)
    return _decode(dataset)


def _remove_boxes(dataset: Dataset) -> None:
    # pydicom walks through the boxes of a JP2 file for ever where one has no length.
    frame = _frame(dataset)
    if start := frame.index(START_OF_JPEG_2000):
        dataset.PixelData = encapsulate([frame[start:]])
        for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            dataset.pop(keyword, None)


def _decode_jpeg(dataset: Dataset) -> NDArray[np.integer]:
    header = jpeg_header(_frame(dataset))
    _require_size(dataset, header.rows, header.columns)
    if needs_gdcm(header):
        return _as_represented(decode_with_gdcm(_frame(dataset)), dataset)
    # Pillow reads all other processes, by whichever name the file calls them.
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
    # pydicom keeps the lowest bits, wherever HighBit says that the value stands.
    allocated, bits = int(dataset.BitsAllocated), int(dataset.BitsStored)
    dataset.BitsStored = allocated
    words = _decode(dataset)
    dataset.BitsStored = bits
    return _between(words, allocated - 1 - int(dataset.HighBit), allocated - bits)


def _between(words: NDArray[np.integer], bits_above: int, unused_bits: int) -> NDArray[np.integer]:
    # The second shift brings the sign along.
    return np.asarray((words << bits_above) >> unused_bits) if unused_bits else words


def _as_represented(samples: NDArray[np.unsignedinteger], dataset: Dataset) -> NDArray[np.integer]:
    # JPEG and JPEG-LS have no sign: signed values stand there as their two's complement.
    if not dataset.PixelRepresentation:
        return samples
    signed = samples.view(np.dtype(f"i{samples.itemsize}"))
    unused = max(0, 8 * samples.itemsize - int(dataset.BitsStored))
    return _between(signed, unused, unused)


def _require_size(dataset: Dataset, rows: int, columns: int) -> None:
    # The decoders reserve what the code stream announces, which can be gigabytes.
    if (rows, columns) != (dataset.Rows, dataset.Columns):
        raise RadiographError(
            f"The DICOM file is damaged: its image has {columns} by {rows} pixels, and its header "
            f"(Columns, Rows) says {dataset.Columns} by {dataset.Rows}. Export it again."
        )
