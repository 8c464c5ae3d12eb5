"""Reading a radiograph from a file of any format."""

import os
import re
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cxr_gradcam.imaging.dicom.file import is_bare_dicom, is_dicom, read_dicom_values
from cxr_gradcam.imaging.radiograph import (
    MAX_BYTES,
    Radiograph,
    RadiographError,
    raising_radiograph_error,
)
from cxr_gradcam.imaging.raster import read_raster
from cxr_gradcam.imaging.stored_values import StoredValues, from_grey

EXTENSIONS = frozenset(
    (".dcm", ".dicom", ".dic", ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp")
) | {".webp"}
"""The extensions of files that are read; what a file holds is told by its content alone."""

# The classes are opened themselves, not through PIL.Image.open: it warns of large images before
# their size can be checked, and takes a telephone's JPEG with a second picture for an animation.
_IMAGE_FILES: dict[str, tuple[re.Pattern[bytes], type[ImageFile]]] = {
    "PNG": (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    "JPEG": (re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    "TIFF": (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    "BMP": (re.compile(rb"BM"), BmpImageFile),
    "WebP": (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile),
}

# What people try too, and what helps. The decoders of HEIC that can be had bring GPL code along.
_OTHER_FILES = tuple(
    (re.compile(signature, re.DOTALL), remedy)
    for signature, remedy in {
        rb".{4}ftyp(hei|hev|mif1|msf1)": (
            "This is a HEIC picture, as iPhones take them, and cannot be read. Share or export it "
            "as JPEG; under Settings, Camera, Formats, 'Most Compatible' takes JPEG from the start."
        ),
        rb".{4}ftypavi": "This is an AVIF picture and cannot be read. Save it again, as PNG.",
        rb"GIF8": "This is a GIF picture and cannot be read. Save it again, as PNG.",
        rb".{4}jP  |\xff\x4f\xff\x51": (
            "This is a JPEG 2000 picture outside a DICOM file and cannot be read. "
            "Save it again, as PNG."
        ),
        rb"PK\x03\x04": ("This is a ZIP archive. Unpack it and choose one radiograph out of it."),
        rb"%PDF": (
            "This is a PDF document. Export the radiograph from its viewer as DICOM or PNG."
        ),
    }.items()
)


def read_radiograph(source: str | os.PathLike[str] | bytes | BinaryIO) -> Radiograph:
    """Read a radiograph; its format is told by its content, never by its name.

    - 8 bits and fewer: 0 and 255 become 0 and 1. Colour becomes luma (ITU-R BT.601), palettes are
      resolved, transparency lies on black; where all is transparent, transparency is left out.
    - 16-bit grey and colour, and whole numbers of 32 bits that would fit: 1 stands for the greatest
      number of the smallest depth out of 8, 10, 12, 14 and 16 bits that holds the brightest pixel,
      since detectors of 12 bits are commonly saved in 16 and would be nearly black.
    - Other whole numbers, and floats beyond [0, 1]: from the least to the greatest value.
    - EXIF orientation is applied. Thumbnails beside a TIFF's picture are left out.
    - DICOM: see `cxr_gradcam.imaging.dicom.file.read_dicom`.

    Args:
        source: Path of a file, its bytes, or an open binary file that is read from where it stands.

    Returns:
        The radiograph, at the size and orientation that a viewer shows.

    Raises:
        RadiographError: If it cannot be opened, is no image of these formats, is damaged, cut
            short, animated or multi-page, is larger than `MAX_PIXELS` or `MAX_BYTES`, or is no
            projection radiograph according to its DICOM attributes.
    """
    radiograph, _ = _read(read_bytes(source))
    return radiograph


def read_for_viewing(
    source: str | os.PathLike[str] | bytes | BinaryIO,
) -> tuple[Radiograph, StoredValues]:
    """Read a radiograph as `read_radiograph` does, and its stored values for a viewer.

    Args:
        source: As of `read_radiograph`.

    Returns:
        The radiograph, and its values with windows, pixel spacing and orientation. Other files
        than DICOM have neither spacing nor orientation.

    Raises:
        RadiographError: As of `read_radiograph`.
    """
    radiograph, stored = _read(read_bytes(source))
    return radiograph, stored()


def _read(data: bytes) -> tuple[Radiograph, Callable[[], StoredValues]]:
    if is_dicom(data):
        return _read_dicom(data)
    for name, (signature, image_file) in _IMAGE_FILES.items():
        if signature.match(data):
            with raising_radiograph_error(
                f"The {name} image cannot be decoded: it is damaged, cut short or of a rare kind. "
                "Save it again, as PNG."
            ):
                grey, white = read_raster(image_file(BytesIO(data)), data)
                radiograph = _radiograph(grey, name)
                return radiograph, partial(from_grey, radiograph.pixels, white)
    if is_bare_dicom(data):
        return _read_dicom(data)
    for signature, remedy in _OTHER_FILES:
        if signature.match(data):
            raise RadiographError(remedy)
    raise RadiographError(
        f"The file ({len(data):,} bytes) holds no image of a kind that can be read. "
        f"Choose a DICOM file, or one of {', '.join(_IMAGE_FILES)}."
    )


def has_known_format(data: bytes) -> bool:
    """Return whether a file looks like one of a kind that `read_radiograph` reads.

    Args:
        data: Its bytes; the first 132 tell.
    """
    signatures = (signature for signature, _ in _IMAGE_FILES.values())
    return (
        is_dicom(data)
        or is_bare_dicom(data)
        or any(signature.match(data) for signature in signatures)
    )


def _read_dicom(data: bytes) -> tuple[Radiograph, Callable[[], StoredValues]]:
    grey, stored = read_dicom_values(data)
    return _radiograph(grey, "DICOM"), stored


def _radiograph(grey: NDArray[np.float32], file_format: str) -> Radiograph:
    grey.setflags(write=False)  # so that it need not be copied
    return Radiograph(grey, file_format)


def read_bytes(source: str | os.PathLike[str] | bytes | BinaryIO) -> bytes:
    """Return the bytes of a file.

    Args:
        source: As of `read_radiograph`.

    Raises:
        RadiographError: If it cannot be opened, is empty, or larger than `MAX_BYTES`.
    """
    data = source if isinstance(source, bytes) else _read_file(source)
    if not data:
        raise RadiographError("The file is empty (0 bytes). Save or upload it again.")
    if len(data) > MAX_BYTES:
        raise RadiographError(
            f"The file is larger than {MAX_BYTES:,} bytes. Choose a single radiograph."
        )
    return data


def _read_file(source: str | os.PathLike[str] | BinaryIO) -> bytes:
    try:
        if not isinstance(source, (str, os.PathLike)):
            return source.read(MAX_BYTES + 1)
        with Path(source).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        # The error itself would bring the file's name along, which can be a patient's.
        raise RadiographError(
            f"The file cannot be read: {reason}. Check that it exists and may be read."
        ) from None
