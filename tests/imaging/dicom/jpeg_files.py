"""JPEG code streams that the libraries here cannot write: lossless, and of 12 bits.

Written from ISO/IEC 10918-1 with the simplest tables: every difference category has a code of 5
bits, which is its number.
"""

import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEGExtended12Bit, JPEGLosslessSV1

from tests.imaging.dicom.dicom_files import dataset

CATEGORIES = bytes(range(17))


def lossless(pixels: ArrayLike, precision: int) -> bytes:
    """Encode grey values (H, W) by the first predictor: the pixel to the left."""
    values = np.asarray(pixels, dtype=np.int64)
    predicted = np.roll(values, 1, axis=1)
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 2 ** (precision - 1)
    # Modulo 2^16 (H.1.2.1), from -32767 to 32768
    differences = ((values - predicted + 32767) % 2**16 - 32767).ravel().tolist()
    scan = "".join(map(difference_code, differences))
    tables = segment(0xC4, huffman_table(0x00, 5, CATEGORIES))
    return stream(0xC3, precision, values.shape, tables, b"\1\0\0", scan)


def extended(blocks: ArrayLike) -> bytes:
    """Encode blocks of 8 by 8 pixels that have one 12-bit value each, (H / 8, W / 8)."""
    values = np.asarray(blocks, dtype=np.int64)
    # The first coefficient of a block is 8 times its mean; the level shift makes 2048 zero.
    coefficients = (8 * (values - 2048)).ravel()
    differences = np.diff(coefficients, prepend=0).tolist()
    scan = "".join(difference_code(difference) + "0" for difference in differences)
    tables = (
        segment(0xDB, b"\0" + b"\1" * 64)
        + segment(0xC4, huffman_table(0x00, 5, CATEGORIES))
        + segment(0xC4, huffman_table(0x10, 1, b"\0"))
    )
    shape = (8 * values.shape[0], 8 * values.shape[1])
    return stream(0xC1, 12, shape, tables, b"\0\x3f\0", scan)


def stream(
    frame: int, precision: int, shape: tuple[int, ...], tables: bytes, selection: bytes, scan: str
) -> bytes:
    """Put a whole code stream of one component together."""
    header = struct.pack(">BHHB", precision, *shape, 1) + b"\1\x11\0"
    start_of_scan = segment(0xDA, b"\1\1\0" + selection)
    return (
        b"\xff\xd8" + tables + segment(frame, header) + start_of_scan + packed(scan) + b"\xff\xd9"
    )


def segment(marker: int, body: bytes) -> bytes:
    """A marker with its length and content."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def huffman_table(identity: int, length: int, symbols: bytes) -> bytes:
    """A table whose codes all have one length."""
    counts = bytes(len(symbols) if bits == length else 0 for bits in range(1, 17))
    return bytes([identity]) + counts + symbols


def difference_code(difference: int) -> str:
    """The category's code and the bits that tell the difference within it."""
    category = abs(difference).bit_length()
    if category == 16:  # 32768 alone, without further bits
        return f"{category:05b}"
    within = difference if difference > 0 else difference + 2**category - 1
    return f"{category:05b}" + (f"{within:0{category}b}" if category else "")


def packed(bits: str) -> bytes:
    """Bits as bytes, filled up with ones; a zero follows each byte of ones."""
    whole = bits + "1" * (-len(bits) % 8)
    data = int(whole, 2).to_bytes(len(whole) // 8)
    return data.replace(b"\xff", b"\xff\0")


def encapsulated(
    frame: bytes, pixels: NDArray[Any], syntax: UID = JPEGLosslessSV1, **attributes: Any
) -> Dataset:
    """The radiograph whose pixel data is a code stream."""
    made = dataset(pixels, **attributes)
    made.file_meta.TransferSyntaxUID = syntax
    made.PixelData = encapsulate([frame])
    return made


def ramp(values: Iterable[int]) -> tuple[NDArray[np.uint16], Dataset]:
    """Pixels in blocks of one value each, and their file in 12-bit JPEG Extended."""
    blocks = np.array([list(values)])
    pixels = np.kron(blocks, np.ones((8, 8), dtype=int)).astype(np.uint16)
    return pixels, encapsulated(extended(blocks), pixels, JPEGExtended12Bit, BitsStored=12)
