"""Reading a radiograph from a file of any format."""

import os
import re
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION, TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cxr_gradcam.imaging.dicom import read_dicom
from cxr_gradcam.imaging.radiograph import (
    MAX_BYTES,
    Radiograph,
    RadiographError,
    check_size,
    full_scale,
    refusing,
)

# The classes are opened themselves, not through PIL.Image.open: it warns of large images before
# their size can be checked, and takes a telephone's JPEG with a second picture for an animation.
_IMAGE_FILES: dict[str, tuple[re.Pattern[bytes], type[ImageFile]]] = {
    "PNG": (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    "JPEG": (re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    "TIFF": (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    "BMP": (re.compile(rb"BM"), BmpImageFile),
    "WebP": (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile),
}


def read_radiograph(source: str | os.PathLike[str] | bytes | BinaryIO) -> Radiograph:
    """Read a radiograph; its format is told by its content, never by its name.

    - 8 bits and fewer: 0 and 255 become 0 and 1. Colour becomes luma (ITU-R BT.601), palettes are
      resolved, transparency lies on black. Pillow reads 16-bit colour with 8 bits.
    - 16-bit grey, and whole numbers of 32 bits that would fit: 1 stands for the greatest number of
      the smallest depth out of 8, 10, 12, 14 and 16 bits that holds the brightest pixel, since
      detectors of 12 bits are commonly saved in 16 and would be nearly black.
    - Other whole numbers, and floats beyond [0, 1]: from the least to the greatest value.
    - EXIF orientation is applied.
    - DICOM: see `cxr_gradcam.imaging.dicom.read_dicom`. "DICM" must stand at byte 128.

    Args:
        source: Path of a file, its bytes, or an open binary file that is read from where it stands.

    Returns:
        The radiograph, at the size and orientation that a viewer shows.

    Raises:
        RadiographError: If it cannot be opened, is no image of these formats, is damaged, cut
            short, animated or multi-page, is larger than `MAX_PIXELS` or `MAX_BYTES`, or is no
            projection radiograph according to its DICOM attributes.
    """
    data = _read_bytes(source)
    if data[128:132] == b"DICM":
        return Radiograph(read_dicom(data), "DICOM")
    for name, (signature, image_file) in _IMAGE_FILES.items():
        if signature.match(data):
            with refusing(
                f"The {name} image cannot be decoded: it is damaged, cut short or of a rare kind. "
                "Save it again, as PNG."
            ):
                return Radiograph(_read_image(image_file(BytesIO(data))), name)
    raise RadiographError(
        f"The file ({len(data):,} bytes) holds no image of a kind that can be read. "
        f"Choose a DICOM file (with its preamble), or one of {', '.join(_IMAGE_FILES)}."
    )


def _read_bytes(source: str | os.PathLike[str] | bytes | BinaryIO) -> bytes:
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


def _read_image(image: ImageFile) -> NDArray[np.float32]:
    check_size(image.height, image.width)
    if getattr(image, "is_animated", False):
        raise RadiographError(
            "The image is animated or has several pages. Save the one radiograph by itself."
        )
    upright = ImageOps.exif_transpose(image)
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return _grey_of_8_bits(upright)
    grey = _grey_of_many_bits(np.asarray(upright))
    return 1 - grey if _is_white_zero(image) else grey


def _grey_of_8_bits(image: Image.Image) -> NDArray[np.float32]:
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)


def _grey_of_many_bits(values: NDArray[np.generic]) -> NDArray[np.float32]:
    grey = values.astype(np.float64)
    low, high = float(grey.min()), float(grey.max())
    if not np.isfinite([low, high]).all():
        raise RadiographError("The image holds values that are not finite. Save it again.")
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0, 1
    elif values.dtype.kind != "f" and low >= 0 and high < 2**16:
        low, high = 0, full_scale(high)
    # A constant image beyond these ranges has no contrast to show, and becomes 0.
    return ((grey - low) / (high - low or 1)).astype(np.float32)


def _is_white_zero(image: ImageFile) -> bool:
    # Pillow inverts such a TIFF of up to 8 bits, but none of more.
    return isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0
