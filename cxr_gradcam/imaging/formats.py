"""File formats, recognized by their first bytes: those that can be read, and others by name."""

import re

from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cxr_gradcam.imaging.decompression import start_of_content
from cxr_gradcam.imaging.dicom.file import is_bare_dicom, is_dicom

# The classes themselves, not PIL.Image.open: that warns of large images before their size can be
# checked, and takes a telephone's JPEG with a second image for an animation.
IMAGE_FORMATS: dict[str, tuple[re.Pattern[bytes], type[ImageFile]]] = {
    "PNG": (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    "JPEG": (re.compile(rb"\xff\xd8\xff"), JpegImageFile),
    "TIFF": (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    "BMP": (re.compile(rb"BM"), BmpImageFile),
    "WebP": (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), WebPImageFile),
}
"""The image formats other than DICOM: name, signature and Pillow's class."""

EXTENSIONS: frozenset[str] = frozenset(
    (".dcm", ".dicom", ".dic", ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp")
) | {".webp"}
"""The usual name extensions of these formats; a file's format is recognized by its content."""

_START = 512  # bytes that hold every signature

_SAVE_AS_PNG = "and cannot be read. Save it again, as PNG."
_DECOMPRESS = "Decompress it and choose the radiograph inside."
_UNPACK = "Unpack it and choose one radiograph out of it."
_VOLUME = "which holds volumes, not radiographs. Choose the radiograph as DICOM or PNG."
# The decoders of HEIC that are available bring GPL code along.
_FOREIGN_FORMATS = {
    rb".{4}ftyp(hei|hev|mif1|msf1)": (
        "This is a HEIC picture, as iPhones take them, and cannot be read. Share or export it "
        "as JPEG; under Settings, Camera, Formats, 'Most Compatible' takes JPEG from the start."
    ),
    rb".{4}ftypavi": f"This is an AVIF picture {_SAVE_AS_PNG}",
    rb"GIF8": f"This is a GIF picture {_SAVE_AS_PNG}",
    rb"8BPS": f"This is a Photoshop picture {_SAVE_AS_PNG}",
    rb"\xff\x0a|.{4}JXL ": f"This is a JPEG XL picture {_SAVE_AS_PNG}",
    rb".{4}jP  |\xff\x4f\xff\x51": (
        f"This is a JPEG 2000 picture outside a DICOM file {_SAVE_AS_PNG}"
    ),
    rb"PK\x03\x04": f"This is a ZIP archive. {_UNPACK}",
    rb"7z\xbc\xaf": f"This is a 7-Zip archive. {_UNPACK}",
    rb"Rar!": f"This is a RAR archive. {_UNPACK}",
    rb".{257}ustar": f"This is a tar archive. {_UNPACK}",
    rb"\x1f\x8b": f"This file is compressed by gzip more than once. {_DECOMPRESS}",
    rb"BZh": f"This file is compressed by bzip2. {_DECOMPRESS}",
    rb"\xfd7zXZ": f"This file is compressed by xz. {_DECOMPRESS}",
    rb"\x28\xb5\x2f\xfd": f"This file is compressed by zstd. {_DECOMPRESS}",
    rb"\x1f\x9d": f"This file is compressed by compress (.Z). {_DECOMPRESS}",
    rb".{344}n[i+][12]\0": f"This is a NIfTI file, {_VOLUME}",
    rb"NRRD0": f"This is an NRRD file, {_VOLUME}",
    rb"\x93NUMPY": (
        "This is a NumPy array. Make a radiograph of it in Python: Radiograph(array), float32 "
        "(H, W) in [0, 1]."
    ),
    rb"version https://git-lfs": (
        "This is a pointer of Git LFS, not the file itself. Run 'git lfs pull' in its repository."
    ),
    rb"%PDF": "This is a PDF document. Export the radiograph from its viewer as DICOM or PNG.",
    rb"\s*<(!DOCTYPE|html|\?xml|svg)": (
        "This is a text in HTML or XML, such as the page of a failed download. Download the "
        "radiograph again."
    ),
}
_FOREIGN = [
    (re.compile(signature, re.DOTALL | re.IGNORECASE if b"<" in signature else re.DOTALL), remedy)
    for signature, remedy in _FOREIGN_FORMATS.items()
]


def has_known_format(data: bytes) -> bool:
    """Return whether a file begins like one that `read_radiograph` reads, maybe compressed.

    Args:
        data: The whole file, or its first 64 KiB.
    """
    start = start_of_content(data, _START)
    signatures = (signature for signature, _ in IMAGE_FORMATS.values())
    return (
        is_dicom(start)
        or is_bare_dicom(start)
        or any(signature.match(start) for signature in signatures)
    )


def refusal(data: bytes) -> str:
    """Return the message for a file in an unsupported format.

    Args:
        data: The whole file, decompressed.
    """
    for signature, message in _FOREIGN:
        if signature.match(data[:_START]):
            return message
    return (
        f"The file ({len(data):,} bytes) holds no image of a kind that can be read. "
        f"Choose a DICOM file, or one of {', '.join(IMAGE_FORMATS)}."
    )
