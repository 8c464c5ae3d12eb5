"""From DICOM pixel data to stored values; code streams that lie about their size are refused."""

import re
import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    AllTransferSyntaxes,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from cxr_gradcam.imaging.elements import describe_element, refuse_element
from cxr_gradcam.imaging.radiograph import RadiographError

_JPEG_SEGMENT = re.compile(rb"\xff+([^\x00\xff])(..)", re.DOTALL)
_JPEG_FRAME_HEADERS = frozenset(b"\xc0\xc1\xc2\xc3\xc5\xc6\xc7\xc9\xca\xcb\xcd\xce\xcf\xf7")
_JPEG_2000_START = b"\xff\x4f\xff\x51"


def undecodable_message(dataset: Dataset) -> str:
    """Return what an error says of pixel data that cannot be decoded."""
    uid = dataset.file_meta.get("TransferSyntaxUID")
    name = f" ({uid.name})" if uid in AllTransferSyntaxes else ""
    return (
        "The pixel data of the DICOM file cannot be decoded; they are damaged, or there is no "
        f"decoder: {describe_element(dataset.file_meta, 'TransferSyntaxUID')}{name}. "
        "Export the image uncompressed (Explicit VR Little Endian) or as PNG."
    )


def decode_pixels(dataset: Dataset) -> NDArray[np.integer]:
    """Return the stored values of the one frame.

    Args:
        dataset: With its `file_meta`, whose transfer syntax says how the pixel data is compressed.

    Returns:
        Stored values (H, W), signed or unsigned as they are meant.

    Raises:
        RadiographError: If the code stream has another size than the attributes, or several
            samples a pixel.
        Exception: Whatever a decoder raises at damaged pixel data.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in JPEG2000TransferSyntaxes:
        _require_size(dataset, _jpeg_2000_size)
    elif syntax in (*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes):
        _require_size(dataset, _jpeg_size)
    # The other RLE decoder that may be installed panics at damaged data, which is no Exception.
    plugin = "pydicom" if syntax == RLELossless else ""
    stored = pixel_array(dataset, index=0, decoding_plugin=plugin)
    if stored.shape != (dataset.Rows, dataset.Columns):
        refuse_element(dataset, "SamplesPerPixel", "a radiograph has 1")
    return stored


def _require_size(dataset: Dataset, measure: Callable[[bytes], tuple[int, int]]) -> None:
    # The decoders reserve what the codestream announces, which can be gigabytes.
    rows, columns = measure(get_frame(dataset.PixelData, 0, number_of_frames=1))
    if (rows, columns) != (dataset.Rows, dataset.Columns):
        raise RadiographError(
            f"The compressed DICOM image announces {columns} by {rows} pixels, but Columns and "
            f"Rows {dataset.Columns} by {dataset.Rows}. Export it again."
        )


def _jpeg_2000_size(frame: bytes) -> tuple[int, int]:
    # ISO/IEC 15444-1 A.5.1: the extent of the reference grid and the image's offset on it.
    start = frame.index(_JPEG_2000_START) + 8
    right, bottom, left, top = struct.unpack_from(">4I", frame, start)
    return bottom - top, right - left


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    # ISO/IEC 10918-1 B.2.2 and ISO/IEC 14495-1 C.2.2: the frame header follows other segments.
    position = 2
    while segment := _JPEG_SEGMENT.match(frame, position):
        if segment[1][0] in _JPEG_FRAME_HEADERS:
            rows, columns = struct.unpack_from(">2H", frame, segment.end() + 1)
            return rows, columns
        position = segment.start(2) + int.from_bytes(segment[2])
    raise ValueError("no frame header")
