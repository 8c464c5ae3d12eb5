"""Forty small files: pictures and DICOM files of many kinds, and what must be refused."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from cxr_gradcam.synthetic.chest import draw_phantom
from tests.archive.sources import bare_source, chest, file_of, source
from tests.imaging.dicom.dicom_files import lut
from tests.imaging.dicom.jpeg_files import encapsulated, lossless

SMALL = chest(7, size=96)
"""A chest (80, 96) of 12 bits, for files that need no detail."""


def write_inputs(folder: Path) -> list[Path]:
    """Write all files into a folder, and return their paths in the order of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in INPUTS.items():
        (folder / name).write_bytes(make())
    return [folder / name for name in sorted(INPUTS)]


def _grey(seed: int = 7, size: int = 128, *, opacity: bool = True) -> Image.Image:
    pixels = draw_phantom(seed, size=size, opacity=opacity).pixels[: size * 5 // 6]
    return Image.fromarray((pixels * 255).astype(np.uint8))


def _file(image: Image.Image, file_format: str, **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def _deep(pixels: NDArray[np.uint16], ending: str) -> bytes:
    written, data = cv2.imencode(ending, pixels)
    assert written
    return data.tobytes()


def _translucent() -> bytes:
    image = _grey().convert("RGBA")
    alpha = np.full((image.height, image.width), 255, np.uint8)
    alpha[:10] = 100
    image.putalpha(Image.fromarray(alpha))
    return _file(image, "PNG")


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned by 90 degrees
    return _file(_grey(), "JPEG", quality=95, exif=exif)


def _photograph() -> bytes:
    made = source("photograph", (SMALL >> 4).astype(np.uint8), Modality="XC")
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.SamplesPerPixel, made.PlanarConfiguration = 7, 3, 0
    made.PhotometricInterpretation = "YBR_FULL_422"
    image = Image.fromarray((SMALL >> 4).astype(np.uint8)).convert("RGB")
    made.PixelData = encapsulate([_file(image, "JPEG", quality=95)])
    return file_of(made)


def _compressed(syntax: str) -> bytes:
    made = source(syntax, SMALL)
    made.compress(syntax, generate_instance_uid=False)
    return file_of(made)


def _in_syntax(syntax: str) -> bytes:
    made = source(syntax, SMALL)
    made.file_meta.TransferSyntaxUID = syntax
    return file_of(made)


def _without_preamble() -> bytes:
    made, stream = source("bare", SMALL), BytesIO()
    del made.file_meta
    made.save_as(stream, implicit_vr=True, little_endian=True)
    return stream.getvalue()


def _hounsfield() -> bytes:
    """Stored from 0, but meant from -1024, as the look-up table has it."""
    entries = np.linspace(0, 4095, 4096).astype(int).tolist()
    return file_of(
        source(
            "lut",
            SMALL,
            RescaleIntercept=-1024,
            RescaleSlope=1,
            VOILUTSequence=lut(-1024, 12, entries),
        )
    )


def _frames() -> bytes:
    return file_of(source("frames", SMALL, NumberOfFrames=2, PixelData=2 * SMALL.tobytes()))


def _archive(*, encrypted: bool) -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("one.png", "folder/two.png"):
            archive.writestr(zipfile.ZipInfo(name), _file(_grey(len(name)), "PNG"))
    data = bytearray(stream.getvalue())
    if encrypted:
        data[data.rindex(b"PK\x01\x02") + 8] |= 1  # the flag of the last member
    return bytes(data)


def _animated() -> bytes:
    frames = [_grey(seed) for seed in (1, 2)]
    return _file(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


INPUTS: dict[str, Callable[[], bytes]] = {
    # Pictures
    "bmp.bmp": lambda: _file(_grey(), "BMP"),
    "grey.png": lambda: _file(_grey(), "PNG"),
    "healthy.png": lambda: _file(_grey(11, 320, opacity=False), "PNG"),
    "colour.png": lambda: _file(_grey(3).convert("RGB"), "PNG"),
    "palette.png": lambda: _file(_grey().convert("P"), "PNG"),
    "opaque.png": lambda: _file(_grey().convert("RGBA"), "PNG"),
    "translucent.png": _translucent,
    "grey-12-of-16.png": lambda: _deep(chest(7, 128), ".png"),
    "colour-12-of-16.png": lambda: _deep(np.stack([chest(7, 128)] * 3, axis=-1), ".png"),
    "grey-16.tiff": lambda: _deep(chest(7, 128) * 16, ".tiff"),
    "float.tiff": lambda: _file(Image.fromarray(SMALL.astype(np.float32) - 7), "TIFF"),
    "jpeg.jpg": lambda: _file(_grey(), "JPEG", quality=95),
    "turned.jpg": _turned,
    "lossless.webp": lambda: _file(_grey(), "WEBP", lossless=True),
    "one-pixel.png": lambda: _file(Image.new("L", (1, 1), 99), "PNG"),
    "narrow.png": lambda: _file(_grey().crop((20, 0, 30, 100)), "PNG"),
    "black.png": lambda: _file(Image.new("L", (64, 48)), "PNG"),
    "no-extension": lambda: _file(_grey(5), "PNG"),
    # DICOM
    "detector.dcm": lambda: file_of(source("a", chest(7, 160))),
    "says-little.dcm": lambda: file_of(bare_source()),
    "monochrome1.dcm": lambda: file_of(
        source("negative", 4095 - SMALL, PhotometricInterpretation="MONOCHROME1")
    ),
    "voi-lut.dcm": _hounsfield,
    "window-0.dcm": lambda: file_of(source("window", SMALL, WindowCenter=0, WindowWidth=0)),
    "two-windows.dcm": lambda: file_of(
        source("windows", SMALL, WindowCenter=[2000, 1000], WindowWidth=[2001, 501])
    ),
    "photograph.dcm": _photograph,
    "jpeg-lossless.dcm": lambda: file_of(
        encapsulated(lossless(SMALL, 12), SMALL, BitsStored=12, HighBit=11)
    ),
    "jpeg-2000.dcm": lambda: _compressed(JPEG2000Lossless),
    "rle.dcm": lambda: _compressed(RLELossless),
    "deflated.dcm": lambda: _in_syntax(DeflatedExplicitVRLittleEndian),
    "implicit.dcm": lambda: _in_syntax(ImplicitVRLittleEndian),
    "no-preamble.dcm": _without_preamble,
    # An archive with two pictures
    "two.zip": lambda: _archive(encrypted=False),
    # Refused
    "refused-empty.png": lambda: b"",
    "refused-text.png": lambda: b"no image at all",
    "refused-cut.png": lambda: _file(_grey(), "PNG")[:-900],
    "refused-cut.dcm": lambda: file_of(source("cut", SMALL))[:-900],
    "refused-ct.dcm": lambda: file_of(
        source("ct", SMALL, Modality="CT", SOPClassUID=CTImageStorage)
    ),
    "refused-frames.dcm": _frames,
    "refused-contradiction.dcm": lambda: file_of(source("shape", SMALL, SamplesPerPixel=3)),
    "refused-no-pixels.dcm": lambda: file_of(
        source("text", SMALL[:0], SOPClassUID=ComputedRadiographyImageStorage)
    ),
    "refused-encrypted.zip": lambda: _archive(encrypted=True),
    "refused-animated.webp": _animated,
    "refused-document.pdf": lambda: b"%PDF-1.7 and so on",
    "refused-iphone.heic": lambda: b"\0\0\0\x18ftypheic and so on",
}
"""{name: what makes the file}."""
