"""Decompress files that were compressed as a whole by gzip or zlib, up to the size limit."""

import gzip
import zlib
from io import BytesIO

from cxr_gradcam.imaging.radiograph import MAX_BYTES, RadiographError

_GZIP = b"\x1f\x8b\x08"


def decompress(data: bytes) -> bytes:
    """Return the content of a file that gzip or zlib compressed.

    Args:
        data: Any file.

    Returns:
        The content, or `data` itself if the file is not compressed as a whole.

    Raises:
        RadiographError: If the compressed file is damaged, or its content is larger than
            `MAX_BYTES`.

    Example:
        >>> decompress(gzip.compress(b"content")), decompress(b"content")
        (b'content', b'content')
    """
    if data.startswith(_GZIP):
        return _within_limit(_gunzip(data, MAX_BYTES + 1))
    if not _has_zlib_header(data):
        return data
    try:
        return inflate(data, zlib.MAX_WBITS)
    except zlib.error:
        return data


def start_of_content(data: bytes, size: int) -> bytes:
    """Return the first bytes of a file's content, decompressed by gzip or zlib where necessary.

    Args:
        data: Any file.
        size: The most bytes to return.
    """
    try:
        if data.startswith(_GZIP):
            return _gunzip(data, size)
        if _has_zlib_header(data):
            return zlib.decompressobj().decompress(data, size)
    except (RadiographError, zlib.error):
        pass  # not compressed, or damaged
    return data[:size]


def inflate(data: bytes, window_bits: int) -> bytes:
    """Decompress deflated data.

    Args:
        data: The deflated data; what follows its end is ignored.
        window_bits: The format, as in `zlib.decompressobj`: negative for data without a header,
            15 for zlib's header, 47 for the header of zlib or gzip.

    Raises:
        zlib.error: If the data is not deflated, or damaged.
        RadiographError: If the content is larger than `MAX_BYTES`.
    """
    return _within_limit(zlib.decompressobj(window_bits).decompress(data, MAX_BYTES + 1))


def _gunzip(data: bytes, size: int) -> bytes:
    try:
        with gzip.open(BytesIO(data)) as file:
            return file.read(size)
    except (EOFError, OSError, zlib.error):
        raise RadiographError(
            "The gzip file is damaged or cut short. Copy it again, or decompress it and choose the "
            "file inside."
        ) from None


def _within_limit(content: bytes) -> bytes:
    # A megabyte of compressed data can hold a gigabyte.
    if len(content) > MAX_BYTES:
        raise RadiographError(
            f"The compressed file holds more than {MAX_BYTES:,} bytes. Choose a file "
            "with a single radiograph."
        )
    return content


def _has_zlib_header(data: bytes) -> bool:
    # RFC 1950 2.2: the method, deflate with a window of 32 KiB, and a check of both bytes
    return data[:1] == b"\x78" and int.from_bytes(data[:2]) % 31 == 0
