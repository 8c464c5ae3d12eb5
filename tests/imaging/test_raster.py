"""Rarer pictures: colour of 16 bits, alpha that is zero, thumbnails, and what cannot be read."""

from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.reading import read_radiograph

COLOURS = np.array([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [1, 1, 1]], [[0, 0, 0], [1, 1, 0]]])
LUMA = np.array([[0.299, 0.587], [0.114, 1], [0, 0.886]])
GREY = np.linspace(0, 4095, 60).astype(np.uint16).reshape(6, 10)


def deep(colours: NDArray[Any], file_format: str) -> bytes:
    """A picture of 16 bits a sample: red, green, blue and perhaps alpha."""
    order = [2, 1, 0, 3][: colours.shape[2]]
    written, data = cv2.imencode(f".{file_format}", colours[..., order].astype(np.uint16))
    assert written
    return data.tobytes()


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


@pytest.mark.parametrize("file_format", ["png", "tiff"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_colour_of_16_bits_is_scaled_by_the_depth_that_holds_it(
    bits: int, file_format: str
) -> None:
    read = read_radiograph(deep(COLOURS * (2**bits - 1), file_format))
    np.testing.assert_allclose(read.pixels, LUMA, atol=1e-6)


@pytest.mark.parametrize("file_format", ["png", "tiff"])
def test_grey_in_colour_of_16_bits_is_the_same_as_grey(file_format: str) -> None:
    grey = read_radiograph(encode(Image.fromarray(GREY), file_format))
    read = read_radiograph(deep(np.stack([GREY] * 3, axis=-1), file_format))
    np.testing.assert_allclose(read.pixels, grey.pixels, atol=1e-6)


@pytest.mark.parametrize("opaque", [4095, 65535])
def test_alpha_of_16_bits_lies_on_black(opaque: int) -> None:
    alpha = np.full((6, 10), opaque)
    alpha[0] = 0
    read = read_radiograph(deep(np.stack([GREY, GREY, GREY, alpha], axis=-1), "png"))
    expected = GREY / 4095
    expected[0] = 0
    np.testing.assert_allclose(read.pixels, expected, atol=1e-6)


def test_alpha_of_16_bits_that_is_zero_everywhere_is_left_out() -> None:
    read = read_radiograph(deep(np.stack([GREY, GREY, GREY, 0 * GREY], axis=-1), "png"))
    np.testing.assert_allclose(read.pixels, GREY / 4095, atol=1e-6)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_of_8_bits_that_is_zero_everywhere_is_left_out(mode: str) -> None:
    grey = Image.fromarray((GREY // 17).astype(np.uint8))
    image = grey.convert(mode)
    image.putalpha(0)
    read = read_radiograph(encode(image, "PNG"))
    np.testing.assert_allclose(read.pixels, np.asarray(grey) / 255, atol=1e-6)


def test_exif_orientation_of_colour_of_16_bits() -> None:
    data = deep(np.stack([GREY] * 3, axis=-1), "png")
    exif = Image.Exif()
    exif[274] = 6
    # The chunk behind the header, which ends at byte 33
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = encode(Image.new("L", (1, 1)), "PNG", exif=body)
    start = chunk.index(b"eXIf") - 4
    data = data[:33] + chunk[start : start + 12 + len(body)] + data[33:]
    np.testing.assert_allclose(read_radiograph(data).pixels, np.rot90(GREY, -1) / 4095, atol=1e-6)


@pytest.mark.parametrize("file_format", ["png", "tiff"])
def test_colour_of_16_bits_that_is_cut_short_is_refused(file_format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (64, 48, 3))
    data = deep(noise, file_format)
    with pytest.raises(RadiographError, match="cut short"):
        read_radiograph(data[: len(data) // 2])


def pages(*images: Image.Image, kinds: tuple[int, ...] = ()) -> bytes:
    """A TIFF of several pages, each with its NewSubfileType."""
    from PIL.TiffImagePlugin import AppendingTiffWriter

    stream = BytesIO()
    with AppendingTiffWriter(stream, new=True) as writer:
        for index, image in enumerate(images):
            kind = kinds[index] if kinds else 0
            image.save(writer, "TIFF", tiffinfo={254: kind})
            writer.newFrame()
    return stream.getvalue()


FILM = Image.fromarray(np.tile(np.arange(0, 200, dtype=np.uint8), (160, 1)))
THUMBNAIL = FILM.resize((50, 40))


@pytest.mark.parametrize(
    "data",
    [
        pages(FILM, THUMBNAIL),
        pages(THUMBNAIL, FILM),
        pages(FILM, FILM.resize((190, 150)), kinds=(0, 1)),
        pages(FILM, FILM.resize((100, 80)), THUMBNAIL),
        pages(FILM, Image.new("1", FILM.size), kinds=(0, 4)),
    ],
    ids=["thumbnail", "thumbnail first", "marked as reduced", "pyramid", "mask"],
)
def test_what_stands_beside_the_picture_of_a_tiff_is_left_out(data: bytes) -> None:
    np.testing.assert_allclose(read_radiograph(data).pixels, np.asarray(FILM) / 255, atol=1e-6)


@pytest.mark.parametrize(
    "data",
    [
        pages(FILM, FILM),
        pages(FILM, FILM.resize((190, 40))),
        pages(FILM, *[THUMBNAIL] * 40),
        pages(THUMBNAIL, THUMBNAIL, kinds=(1, 1)),
    ],
    ids=["two films", "another shape", "too many", "no picture"],
)
def test_other_pages_are_refused(data: bytes) -> None:
    with pytest.raises(RadiographError, match="several pages"):
        read_radiograph(data)


def test_deep_colour_behind_a_thumbnail_is_refused_with_the_remedy() -> None:
    tiff = deep(np.stack([GREY] * 3, axis=-1), "tiff")
    image = Image.open(BytesIO(tiff))
    image.tag_v2[284] = 2
    planar = tiff.replace(b"\x1c\x01\x03\0\1\0\0\0\1\0", b"\x1c\x01\x03\0\1\0\0\0\2\0")
    assert planar != tiff
    with pytest.raises(RadiographError, match=r"in planes\)\. Save it again, as PNG"):
        read_radiograph(planar)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC picture, as iPhones take them.*as JPEG"),
        (b"\0\0\0\x18ftypmif1", "HEIC picture"),
        (b"\0\0\0\x1cftypavif", "AVIF picture.*as PNG"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 picture"),
        (b"\xff\x4f\xff\x51\0\x29", "JPEG 2000 picture"),
        (b"GIF89a", "GIF picture.*as PNG"),
        (b"PK\x03\x04", "ZIP archive. Unpack it"),
        (b"%PDF-1.7", "PDF document"),
        (b"version https://git-lfs.github.com/spec/v1", "pointer of Git LFS.*git lfs pull"),
        (b"\n<!doctype html>", "failed download. Download the radiograph again"),
        (b"<?xml version='1.0'?>", "in HTML or XML"),
        (bytes(344) + b"n+1\0", "NIfTI file, which holds volumes"),
        (b"\x93NUMPY\1\0", "NumPy array. Make a radiograph of it"),
        (b"8BPS", "Photoshop picture.*as PNG"),
        (b"\xff\x0a", "JPEG XL picture"),
        (b"\x1f\x9d", r"compress \(\.Z\)"),
        (b"Rar!", "RAR archive. Unpack it"),
    ],
)
def test_what_people_try_too_is_named_with_the_remedy(start: bytes, message: str) -> None:
    with pytest.raises(RadiographError, match=message):
        read_radiograph(start + bytes(200))
