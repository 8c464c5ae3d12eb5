"""What the code streams of JPEG, JPEG-LS and JPEG 2000 announce, read without a decoder."""

import re
import struct
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

_SEGMENT = re.compile(rb"\xff+([^\x00\xff])(..)", re.DOTALL)
_FRAME_HEADERS = frozenset(b"\xc0\xc1\xc2\xc3\xc5\xc6\xc7\xc9\xca\xcb\xcd\xce\xcf\xf7")
_START_OF_JPEG = b"\xff\xd8"
START_OF_JPEG_2000 = b"\xff\x4f\xff\x51"
# Both lossless processes of DICOM have one frame header: they differ in the predictor alone.
_SYNTAXES = {
    0xC0: JPEGBaseline8Bit,
    0xC1: JPEGExtended12Bit,
    0xC3: JPEGLossless,
    0xF7: JPEGLSLossless,
}


class FrameHeader(NamedTuple):
    """What a JPEG or JPEG-LS frame header says.

    Attributes:
        marker: Second byte of its marker, which names the process: 0xC3 is Huffman, lossless.
        precision: Bits of a sample.
        rows: Height in pixels.
        columns: Width in pixels.
        samples: Samples of a pixel.
    """

    marker: int
    precision: int
    rows: int
    columns: int
    samples: int


def jpeg_header(frame: bytes) -> FrameHeader:
    """Return the frame header of a JPEG (ISO/IEC 10918-1 B.2.2) or JPEG-LS code stream.

    Raises:
        ValueError: If there is none.
    """
    position = 2
    while segment := _SEGMENT.match(frame, position):
        if segment[1][0] in _FRAME_HEADERS:
            return FrameHeader(segment[1][0], *struct.unpack_from(">BHHB", frame, segment.end()))
        position = segment.start(2) + int.from_bytes(segment[2])
    raise ValueError("no frame header")


def jpeg_2000_size(frame: bytes) -> tuple[int, int]:
    """Return rows and columns of a JPEG 2000 code stream (ISO/IEC 15444-1 A.5.1).

    Raises:
        ValueError: If there is none.
    """
    # The extent of the reference grid, and the image's offset on it
    start = frame.index(START_OF_JPEG_2000) + 8
    right, bottom, left, top = struct.unpack_from(">4I", frame, start)
    return bottom - top, right - left


def syntax_of(frame: bytes) -> UID:
    """Return the transfer syntax that a compressed frame is written in, from its first bytes.

    Raises:
        ValueError: If it is none of those that can be told.
    """
    if START_OF_JPEG_2000 in frame[:256]:
        return JPEG2000Lossless
    if not frame.startswith(_START_OF_JPEG):
        # PS3.5 G.5: the number of segments, and the first one's offset, which is fixed
        if len(frame) >= 64 and struct.unpack_from("<2I", frame)[1] == 64:
            return RLELossless
        raise ValueError("no code stream of a kind that is known")
    return _SYNTAXES.get(jpeg_header(frame).marker, JPEGBaseline8Bit)
