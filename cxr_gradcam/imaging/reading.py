"""Reading a radiograph from a file of any format."""

import os
import stat
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.imaging.decompression import decompress
from cxr_gradcam.imaging.dicom.file import (
    is_bare_dicom,
    is_dicom,
    read_dicom_with_stored_values,
)
from cxr_gradcam.imaging.formats import IMAGE_FORMATS, refusal
from cxr_gradcam.imaging.radiograph import (
    MAX_BYTES,
    Radiograph,
    RadiographError,
    raising_radiograph_error,
)
from cxr_gradcam.imaging.raster import read_raster
from cxr_gradcam.imaging.stored_values import StoredValues, from_grey

# Without waiting for the writer of a named pipe; Windows has neither of the first two.
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_KINDS_OF_FILE = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_radiograph(source: str | os.PathLike[str] | bytes | BinaryIO) -> Radiograph:
    """Read a radiograph; the format is recognized by the content, never by the name.

    - 8 bits and fewer: 0 and 255 become 0 and 1. Colour becomes luma (ITU-R BT.601), palettes are
      applied, and transparent images are shown on black; transparency that covers the whole image
      is ignored.
    - 16-bit grey and colour, and 32-bit integers that fit into 16 bits: 1 is the greatest value of
      8, 10, 12, 14 or 16 bits, the smallest of these depths that holds the brightest pixel. Images
      of 12-bit detectors are commonly saved in 16 bits and would be nearly black otherwise.
    - Other integers, and floats beyond [0, 1]: 0 and 1 are the least and the greatest value.
    - The EXIF orientation is applied. Thumbnails beside the image of a TIFF file are ignored.
    - A file that gzip compressed is read like its content.
    - DICOM: see `cxr_gradcam.imaging.dicom.file.read_dicom`.

    Args:
        source: The path of a file, the file's bytes, or a file object that was opened for reading
            bytes, which is read from its current position.

    Returns:
        The radiograph, in the size and orientation that a viewer shows.

    Raises:
        RadiographError: If the file cannot be opened, is no regular file, has another format, is
            damaged, cut short, animated or multi-page, is larger than `MAX_PIXELS` or `MAX_BYTES`,
            or is no projection radiograph according to its DICOM attributes.
    """
    radiograph, _ = _read(read_bytes(source))
    return radiograph


def read_named(path: str) -> Radiograph:
    """Read one of many files; an error begins with its path.

    Args:
        path: The path of the file.

    Raises:
        RadiographError: If the file cannot be read, as in `read_radiograph`.
    """
    try:
        return read_radiograph(path)
    except RadiographError as error:
        raise RadiographError(f"{path}: {error}") from error


def read_for_viewing(
    source: str | os.PathLike[str] | bytes | BinaryIO,
) -> tuple[Radiograph, StoredValues]:
    """Read a radiograph like `read_radiograph`, with its stored values for a viewer.

    Args:
        source: The path of a file, the file's bytes, or a file object opened for reading bytes.

    Returns:
        The radiograph, and its stored values with windows, pixel spacing and orientation; formats
        other than DICOM have neither spacing nor orientation.

    Raises:
        RadiographError: If the file cannot be read, as in `read_radiograph`.
    """
    radiograph, stored_values = _read(read_bytes(source))
    return radiograph, stored_values()


def _read(data: bytes) -> tuple[Radiograph, Callable[[], StoredValues]]:
    data = decompress(data)
    if is_dicom(data):
        return _read_dicom(data)
    for name, (signature, image_file) in IMAGE_FORMATS.items():
        if signature.match(data):
            with raising_radiograph_error(
                f"The {name} image cannot be decoded: it is damaged, cut short or of a rare kind. "
                "Copy or export it again; if another program opens it, save it from there as PNG."
            ):
                grey, white = read_raster(image_file(BytesIO(data)), data)
                radiograph = _radiograph(grey, name)
                return radiograph, partial(from_grey, radiograph.pixels, white)
    if is_bare_dicom(data):
        return _read_dicom(data)
    raise RadiographError(refusal(data))


def _read_dicom(data: bytes) -> tuple[Radiograph, Callable[[], StoredValues]]:
    grey, orientation, stored_values = read_dicom_with_stored_values(data)
    # Rows that run towards the patient's left begin at the patient's right.
    towards = "" if orientation is None else orientation[0][0]
    return _radiograph(grey, "DICOM", _BEGINS.get(towards)), stored_values


_BEGINS: dict[str, Literal["left", "right"]] = {"L": "left", "R": "right"}
"""The side of the picture at which the patient's right is, by the direction of its rows."""


def _radiograph(
    grey: NDArray[np.float32], file_format: str, right_side: Literal["left", "right"] | None = None
) -> Radiograph:
    grey.setflags(write=False)  # so that it need not be copied
    return Radiograph(grey, file_format, right_side)


def read_bytes(source: str | os.PathLike[str] | bytes | BinaryIO) -> bytes:
    """Return the bytes of a file.

    A named pipe, a socket or a device is refused without waiting for data, even if it replaces the
    file just before it is opened.

    Args:
        source: The path of a file, the file's bytes, or a file object opened for reading bytes.

    Raises:
        RadiographError: If the file cannot be opened, is no regular file, is empty, or is larger
            than `MAX_BYTES`.
    """
    data = _bytes_of(source)
    if not data:
        raise RadiographError("The file is empty (0 bytes). Save or upload it again.")
    if len(data) > MAX_BYTES:
        raise RadiographError(
            f"The file is larger than {MAX_BYTES:,} bytes. Choose a file with a single radiograph."
        )
    return data


def _bytes_of(source: object) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source)
    try:
        if isinstance(source, (str, os.PathLike)):
            return _bytes_of_path(Path(source))
        data = source.read(MAX_BYTES + 1)  # type: ignore[attr-defined]
    except RadiographError:
        raise
    except AttributeError:
        raise RadiographError(
            f"A radiograph is read from a path, from bytes, or from a file opened with mode 'rb'; "
            f"received {type(source).__name__}."
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is closed, or its path is invalid"
        # The error itself would bring the file's name along, which can be a patient's.
        raise RadiographError(
            f"The file cannot be read: {reason}. Check that it exists and may be read."
        ) from None
    if not isinstance(data, bytes):
        raise RadiographError("The file was opened as text. Open it with mode 'rb'.")
    return data


def _bytes_of_path(path: Path) -> bytes:
    with open_regular_file(path) as file:
        return file.read(MAX_BYTES + 1)


def open_regular_file(path: Path) -> BinaryIO:
    """Open a file for reading bytes, without waiting for whatever else has the path.

    Raises:
        RadiographError: If the path leads to a named pipe, a socket, a device or a folder.
        OSError: If the file cannot be opened.
    """
    _require_regular_file(path.stat())
    descriptor = os.open(path, _OPEN_FLAGS)
    try:
        # Checked again, since another file may have replaced it before it was opened
        _require_regular_file(os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _require_regular_file(status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise RadiographError(
            f"The path leads to {_KINDS_OF_FILE.get(kind, 'something else')}, not to a file. "
            "Choose a file with a radiograph."
        )
