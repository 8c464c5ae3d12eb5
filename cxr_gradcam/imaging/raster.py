"""Grey values of PNG, JPEG, TIFF, BMP and WebP images."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    TiffImageFile,
)

from cxr_gradcam.imaging.pixels import full_scale, row_blocks, to_unit_range
from cxr_gradcam.imaging.radiograph import RadiographError, check_size

_NEW_SUBFILE_TYPE, _ORIENTATION = 254, 274
_MAX_PAGES = 16
_FINEST = 2**16 - 1  # the stored value of 1 where stored values are not 16-bit integers
# TIFF 6.0, NewSubfileType: bit 0 marks a reduced version, bit 2 a transparency mask
_REDUCED_OR_MASK = 0b101

Grey = tuple[NDArray[np.float32], int]


def read_raster(image: ImageFile, data: bytes) -> Grey:
    """Return the grey values of an image, by the rules of `read_radiograph`.

    Args:
        image: The image as opened by Pillow, not yet decoded.
        data: The bytes of the file.

    Returns:
        Grey values (H, W) in [0, 1], and the stored value that became 1.

    Raises:
        RadiographError: If the image is animated, multi-page or too large, or has values that are
            not finite.
        Exception: Whatever a decoder raises at a damaged image.
    """
    _select_page(image)
    check_size(image.height, image.width)
    if _is_deep_color(image):
        return _grey_of_deep_color(image, data)
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return _grey_of_8_bits(image), 255
    grey, white = _grey_of_many_bits(np.asarray(image))
    return (np.subtract(1, grey, out=grey) if _is_white_zero(image) else grey), white


def _select_page(image: ImageFile) -> None:
    if not getattr(image, "is_animated", False):
        return
    pages = _pages_of_images(image) if isinstance(image, TiffImageFile) else []
    if len(pages) != 1:
        raise RadiographError(
            "The image is animated or has several pages. Save the radiograph alone, as PNG."
        )
    image.seek(pages[0])


def _pages_of_images(image: TiffImageFile) -> list[int]:
    """Return the pages that are no thumbnail or mask; an empty list for more than 16 pages."""
    pages: list[tuple[tuple[int, int], int]] = []
    for number in range(_MAX_PAGES):
        try:
            image.seek(number)
        except EOFError:
            largest = max((size for size, _ in pages), key=lambda size: size[0] * size[1])
            return [
                number
                for number, (size, kind) in enumerate(pages)
                if not (kind & _REDUCED_OR_MASK or _is_thumbnail(size, largest))
            ]
        pages.append((image.size, int(image.tag_v2.get(_NEW_SUBFILE_TYPE, 0))))
    return []


def _is_thumbnail(size: tuple[int, int], largest: tuple[int, int]) -> bool:
    across, down = (side / whole for side, whole in zip(size, largest, strict=True))
    return max(across, down) <= 0.5 and abs(across - down) <= 0.1 * max(across, down)


def _is_deep_color(image: ImageFile) -> bool:
    """Return whether a colour image has more than 8 bits per sample, which Pillow would drop."""
    if image.mode not in ("RGB", "RGBA", "RGBX", "LA"):
        return False
    if isinstance(image, TiffImageFile):
        return int(max(image.tag_v2.get(BITSPERSAMPLE, (8,)))) > 8
    return isinstance(image, PngImageFile) and ";16" in _raw_mode(image)


def _raw_mode(image: ImageFile) -> str:
    arguments = image.tile[0].args
    return arguments[0] if isinstance(arguments, tuple) else str(arguments)


def _grey_of_deep_color(image: ImageFile, data: bytes) -> Grey:
    is_planar = isinstance(image, TiffImageFile) and image.tag_v2.get(PLANAR_CONFIGURATION) == 2
    if image.tell() or is_planar:
        raise RadiographError(
            "The TIFF image holds colour of 16 bits in a way that cannot be read (behind another "
            "page, or in planes). Save it again, as PNG."
        )
    has_alpha = _raw_mode(image).startswith(("RGBA", "LA"))
    orientation = image.getexif().get(_ORIENTATION, 1)
    image.load()  # OpenCV may read an image that is cut short.
    size = image.size
    image.close()  # frees the copy of 8 bits
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if read is None or read.dtype != np.uint16 or read.shape[:2] != size[::-1]:
        raise ValueError("not read as it was announced")
    colors: NDArray[np.uint16] = read.view(np.uint16)
    # OpenCV returns blue, green and red.
    brightest = int(colors[..., :3].max())
    white = full_scale(brightest)
    grey = to_unit_range(colors[..., 2::-1], white)
    if has_alpha and (opaque := int(colors[..., 3].max())):
        for block in row_blocks(*grey.shape):
            grey[block] *= to_unit_range(colors[block][..., 3], full_scale(opaque))
    return _upright(grey, orientation), white


def _upright(grey: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    if orientation == 1:
        return grey
    rotated = Image.fromarray(grey)
    rotated.getexif()[_ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(rotated), dtype=np.float32)


def _grey_of_8_bits(image: Image.Image) -> NDArray[np.float32]:
    # An alpha channel that is zero everywhere was never filled in, and would hide the image.
    is_transparent = image.has_transparency_data and _alpha(image).getbbox() is not None
    grey = np.empty((image.height, image.width), np.float32)
    for block in row_blocks(*grey.shape):
        rows = image.crop((0, block.start, image.width, min(block.stop, image.height)))
        grey[block] = np.asarray(
            (_on_black(rows) if is_transparent else _opaque(rows)).convert("L")
        )
    grey /= np.float32(255)
    return grey


def _alpha(image: Image.Image) -> Image.Image:
    return image.convert("RGBA").getchannel("A")


def _opaque(image: Image.Image) -> Image.Image:
    return image.convert("RGB") if image.has_transparency_data else image


def _on_black(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))


def _grey_of_many_bits(values: NDArray[np.generic]) -> Grey:
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise RadiographError(
            "Some values of the image are no numbers (NaN or infinity). Save it again, as PNG."
        )
    white = _FINEST
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0, 1
    elif values.dtype.kind != "f" and low >= 0 and high < 2**16:
        low, high = 0, full_scale(high)
        white = int(high)
    grey = np.empty(values.shape, np.float32)
    for block in row_blocks(*values.shape):
        # A constant image beyond these ranges has no contrast, and becomes 0.
        grey[block] = (values[block].astype(np.float64) - low) / (high - low or 1)
    return grey, white


def _is_white_zero(image: ImageFile) -> bool:
    # Pillow inverts such a TIFF image of up to 8 bits, but none of more bits.
    return isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0
