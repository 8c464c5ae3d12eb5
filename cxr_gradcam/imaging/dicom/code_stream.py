"""Frames of compressed pixel data, and what their code streams announce, read without a decoder."""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from pydicom.uid import (
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from cxr_gradcam.imaging.radiograph import RadiographError

_START_OF_JPEG_2000 = b"\xff\x4f\xff\x51"
_START_OF_JP2 = b"\0\0\0\x0cjP  "
_START_OF_JPEG = b"\xff\xd8"
_SEGMENT = re.compile(rb"\xff+([^\x00\xff])(..)", re.DOTALL)
_FRAME_HEADERS = frozenset(b"\xc0\xc1\xc2\xc3\xc5\xc6\xc7\xc9\xca\xcb\xcd\xce\xcf\xf7")
# Both lossless processes of DICOM have the same frame header and differ in the predictor alone.
_SYNTAXES = {
    0xC0: JPEGBaseline8Bit,
    0xC1: JPEGExtended12Bit,
    0xC3: JPEGLossless,
    0xF7: JPEGLSLossless,
}
_ITEM = b"\xfe\xff\x00\xe0"
_MOST_RLE_SEGMENTS = 15


class FrameHeader(NamedTuple):
    """The frame header of a JPEG or JPEG-LS code stream.

    Attributes:
        marker: The second byte of the marker, which names the process: 0xC3 is lossless, Huffman.
        precision: Bits per sample.
        rows: Height in pixels.
        columns: Width in pixels.
        samples: Samples per pixel.
    """

    marker: int
    precision: int
    rows: int
    columns: int
    samples: int


def single_frame(data: bytes) -> bytes:
    """Return the code stream of pixel data that holds one frame.

    All fragments are joined (PS3.5 A.4). The offset tables are ignored: one frame needs none, and
    files exist with one entry per fragment, with wrong entries, and without the table's item.

    Args:
        data: The value of the PixelData element: items, or a code stream without items around it.

    Raises:
        RadiographError: If a fragment is cut short.
    """
    if not data.startswith(_ITEM):
        return data
    fragments = list(_items(data))
    has_table = not starts_code_stream(fragments[0])
    return b"".join(fragments[1:] if has_table else fragments)


def _items(data: bytes) -> Iterator[bytes]:
    position = 0
    while data.startswith(_ITEM, position):
        start = position + 8
        position = start + int.from_bytes(data[position + 4 : start], "little")
        if position > len(data):
            raise RadiographError(
                "The DICOM file is incomplete: its compressed PixelData ends within a fragment. "
                "Copy, send or export the file again."
            )
        yield data[start:position]


def is_encapsulated(data: bytes) -> bool:
    """Return whether the value of a PixelData element is a sequence of items or a code stream."""
    return data.startswith(_ITEM) or starts_code_stream(data)


def starts_code_stream(data: bytes) -> bool:
    """Return whether data begin with a code stream of JPEG, JPEG-LS, JPEG 2000 or RLE."""
    return (
        data.startswith(_START_OF_JPEG + b"\xff")
        or start_of_jpeg_2000(data) is not None
        or _starts_rle(data)
    )


def start_of_jpeg_2000(frame: bytes) -> int | None:
    """Return where a code stream of JPEG 2000 begins in a frame; None if it holds none.

    In a JP2 file it may begin anywhere: a colour profile can stand in front of it. Without the
    boxes of such a file it begins within the first 256 bytes, if some stand in front of it at all.
    """
    end = None if frame.startswith(_START_OF_JP2) else 256
    start = frame.find(_START_OF_JPEG_2000, 0, end)
    return None if start < 0 else start


def _starts_rle(data: bytes) -> bool:
    # PS3.5 G.5: the number of segments, and the offset of the first one, which is always 64
    if len(data) < 64:
        return False
    segments, offset = struct.unpack_from("<2I", data)
    return bool(offset == 64 and 1 <= segments <= _MOST_RLE_SEGMENTS)


def jpeg_header(frame: bytes) -> FrameHeader:
    """Return the frame header of a JPEG (ISO/IEC 10918-1 B.2.2) or JPEG-LS code stream.

    Args:
        frame: The code stream.

    Raises:
        ValueError: If it has no frame header.
    """
    position = 2
    while segment := _SEGMENT.match(frame, position):
        if segment[1][0] in _FRAME_HEADERS:
            return FrameHeader(segment[1][0], *struct.unpack_from(">BHHB", frame, segment.end()))
        position = segment.start(2) + int.from_bytes(segment[2])
    raise ValueError("no frame header")


def jpeg_2000_size(frame: bytes) -> tuple[int, int]:
    """Return rows and columns of a JPEG 2000 code stream (ISO/IEC 15444-1 A.5.1).

    Args:
        frame: The code stream, perhaps inside the boxes of a JP2 file.

    Raises:
        ValueError: If it holds no code stream.
    """
    # The extent of the reference grid, and the image's offset on it
    start = frame.index(_START_OF_JPEG_2000) + 8
    right, bottom, left, top = struct.unpack_from(">4I", frame, start)
    return bottom - top, right - left


def syntax_of(frame: bytes) -> UID | None:
    """Return the transfer syntax of a code stream, from its beginning.

    Args:
        frame: The code stream.

    Returns:
        The transfer syntax, or None if the code stream is of an unknown kind.
    """
    if start_of_jpeg_2000(frame) is not None:
        return JPEG2000Lossless
    if not frame.startswith(_START_OF_JPEG):
        return RLELossless if _starts_rle(frame) else None
    try:
        return _SYNTAXES.get(jpeg_header(frame).marker, JPEGBaseline8Bit)
    except (ValueError, struct.error):  # damaged, which its decoder will say
        return JPEGBaseline8Bit
