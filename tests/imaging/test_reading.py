"""Reading images by their content."""

import math
import os
import socket
import struct
import sys
import traceback
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pydicom.data import get_testdata_file

from cxr_gradcam.imaging import reading
from cxr_gradcam.imaging.radiograph import MAX_PIXELS, RadiographError
from cxr_gradcam.imaging.reading import read_radiograph

STEPS = np.array([[0, 51, 102], [153, 204, 255]], dtype=np.uint8)
EXPECTED = [[0, 0.2, 0.4], [0.6, 0.8, 1]]
GREY = Image.fromarray(STEPS)
GRADIENT = Image.fromarray(np.linspace(0, 255, 64 * 48).reshape(48, 64).astype(np.uint8))


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header announces a size that its data do not fill."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


FILES = {
    "PNG": encode(GRADIENT, "PNG"),
    "JPEG": encode(GRADIENT, "JPEG"),
    "TIFF": encode(GRADIENT, "TIFF"),
    "BMP": encode(GRADIENT, "BMP"),
    "WebP": encode(GRADIENT.convert("RGB"), "WEBP", lossless=True),
}
VARIANTS = FILES | {
    "progressive JPEG": encode(GRADIENT, "JPEG", progressive=True),
    "LZW TIFF": encode(GRADIENT, "TIFF", compression="tiff_lzw"),
    "16-bit PNG": encode(Image.fromarray(np.asarray(GRADIENT, dtype=np.uint16) * 257), "PNG"),
}


@pytest.mark.parametrize("name", FILES)
def test_each_format_is_told_by_its_content(name: str, tmp_path: Path) -> None:
    path = tmp_path / "misleading.dcm"
    path.write_bytes(FILES[name])
    read = read_radiograph(path)
    assert read.file_format == name
    np.testing.assert_allclose(read.pixels, np.asarray(GRADIENT) / 255, atol=2.01 / 255)


def test_a_dicom_file_is_told_by_its_content() -> None:
    data = Path(get_testdata_file("CT_small.dcm", download=False)).read_bytes()
    with pytest.raises(RadiographError, match="Modality is 'CT'"):
        read_radiograph(b"\x89PNG\r\n\x1a\n" + data[8:])


def test_every_kind_of_source_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(FILES["PNG"])
    with path.open("rb") as file:
        sources = [str(path), path, FILES["PNG"], file, BytesIO(FILES["PNG"])]
        for read in map(read_radiograph, sources):
            np.testing.assert_array_equal(read.pixels, np.float32(GRADIENT) / np.float32(255))


@settings(deadline=None)
@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_8_bit_values_come_through_exactly(values: np.ndarray) -> None:
    read = read_radiograph(encode(Image.fromarray(values), "PNG"))
    np.testing.assert_array_equal(read.pixels, values.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA", "LA", "CMYK", "YCbCr"])
def test_grey_stored_as_another_mode(mode: str) -> None:
    file_format = {"CMYK": "TIFF", "YCbCr": "JPEG"}.get(mode, "PNG")
    options = {"quality": 100, "subsampling": 0} if file_format == "JPEG" else {}
    read = read_radiograph(encode(GREY.convert("RGB").convert(mode), file_format, **options))
    tolerance = 0.03 if file_format == "JPEG" else 1e-6
    np.testing.assert_allclose(read.pixels, EXPECTED, atol=tolerance)


def test_colour_becomes_luma() -> None:
    colors = Image.new("RGB", (3, 1))
    colors.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255)])
    pixels = read_radiograph(encode(colors, "PNG")).pixels
    # ITU-R BT.601, rounded to 8 bits
    np.testing.assert_allclose(pixels, [[0.299, 0.587, 0.114]], atol=0.5 / 255)


def test_transparency_lies_on_black() -> None:
    alpha = Image.new("L", GREY.size, 51)
    read = read_radiograph(encode(Image.merge("LA", (GREY, alpha)), "PNG"))
    np.testing.assert_allclose(read.pixels, np.multiply(EXPECTED, 0.2), atol=0.5 / 255)


def test_1_bit() -> None:
    bits = Image.fromarray(np.array([[True, False]]))
    for file_format in ("PNG", "TIFF", "BMP"):
        np.testing.assert_array_equal(read_radiograph(encode(bits, file_format)).pixels, [[1, 0]])


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_16_bit_values_are_scaled_by_the_depth_that_holds_them(bits: int, file_format: str) -> None:
    white = 2**bits - 1
    # One above half of the depth's range, and its end: both belong to this depth.
    for brightest in (2 ** (bits - 2) if bits > 8 else 3, white):
        stored = np.array([[0, brightest]], dtype=np.uint16)
        read = read_radiograph(encode(Image.fromarray(stored), file_format))
        np.testing.assert_allclose(read.pixels, [[0, brightest / white]], rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 2048, 4095]], dtype=np.int32), [[0, 2048 / 4095, 1]]),
        (np.array([[-1000, 0, 3000]], dtype=np.int32), [[0, 0.25, 1]]),
        (np.array([[0, 50_000, 100_000]], dtype=np.int32), [[0, 0.5, 1]]),
        (np.array([[0.25, 0.5]], dtype=np.float32), [[0.25, 0.5]]),
        (np.array([[-1, 0, 3]], dtype=np.float32), [[0, 0.25, 1]]),
        (np.array([[-3, -3]], dtype=np.float32), [[0, 0]]),
    ],
    ids=["12 bits", "signed", "more than 16 bits", "unit floats", "floats", "constant"],
)
def test_32_bit_tiff(values: np.ndarray, expected: list[list[float]]) -> None:
    read = read_radiograph(encode(Image.fromarray(values), "TIFF"))
    np.testing.assert_allclose(read.pixels, expected, rtol=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    stored = np.array([[0, value]], dtype=np.float32)
    with pytest.raises(RadiographError, match="no numbers"):
        read_radiograph(encode(Image.fromarray(stored), "TIFF"))


def test_16_bit_tiff_with_white_as_zero() -> None:
    stored = Image.fromarray(np.array([[0, 65535]], dtype=np.uint16))
    read = read_radiograph(encode(stored, "TIFF", tiffinfo={262: 0}))
    np.testing.assert_array_equal(read.pixels, [[1, 0]])


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied_once(file_format: str) -> None:
    exif = Image.Exif()
    exif[274] = 6  # Row 0 is the right side, column 0 the top: turn clockwise.
    image = GRADIENT.convert("RGB") if file_format == "WEBP" else GRADIENT
    read = read_radiograph(encode(image, file_format, exif=exif.tobytes()))
    expected = np.rot90(np.asarray(GRADIENT), -1) / 255
    np.testing.assert_allclose(read.pixels, expected, atol=0.02)


def test_the_second_picture_of_a_telephone_is_ignored() -> None:
    data = encode(GRADIENT, "MPO", save_all=True, append_images=[Image.new("L", (9, 9))])
    np.testing.assert_array_equal(
        read_radiograph(data).pixels, read_radiograph(FILES["JPEG"]).pixels
    )


@pytest.mark.parametrize("file_format", ["TIFF", "WEBP", "PNG"])
def test_several_pages_are_refused(file_format: str) -> None:
    pages = [Image.new("RGB", (4, 4), color) for color in ("black", "white")]
    data = encode(pages[0], file_format, save_all=True, append_images=pages[1:])
    with pytest.raises(RadiographError, match="several pages"):
        read_radiograph(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"no image", r"\(8 bytes\) holds no image of a kind that can be read"),
        (b"BMI and other notes", "BMP image cannot be decoded"),
        (encode(GREY, "GIF"), "GIF picture .* Save it again, as PNG"),
        (encode(Image.new("LAB", (2, 2)), "TIFF"), "TIFF image cannot be decoded"),
        (png_of_size(4, 4), "PNG image cannot be decoded"),
        (png_of_size(0, 4), "cannot be decoded"),
    ],
    ids=["empty", "text", "text like BMP", "GIF", "LAB", "without data", "no pixels"],
)
def test_what_is_no_readable_image_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(RadiographError, match=message):
        read_radiograph(data)


@pytest.mark.parametrize("side", [7_072, 9_500, 65_000])
def test_too_many_pixels_are_refused_before_they_are_decoded(side: int) -> None:
    assert side**2 > MAX_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RadiographError, match=f"{side} by {side} pixels; 1 to 50,000,000"):
            read_radiograph(png_of_size(side, side))


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = FILES["BMP"]
    monkeypatch.setattr(reading, "MAX_BYTES", len(data))
    assert read_radiograph(BytesIO(data)).file_format == "BMP"
    monkeypatch.setattr(reading, "MAX_BYTES", len(data) - 1)
    for source in (data, BytesIO(data)):
        with pytest.raises(RadiographError, match="larger than"):
            read_radiograph(source)


def test_an_error_does_not_tell_the_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "Doe_Jane").mkdir()
    (tmp_path / "Doe_Jane.png").write_text("no image")
    closed = BytesIO()
    closed.close()
    for source, message in [
        (tmp_path / "Doe_Jane", "leads to a folder"),
        (tmp_path / "Doe_Jane.dcm", "No such file"),
        (tmp_path / "Doe_Jane.png", "no image of a kind that can be read"),
        ("Doe_Jane\0", "cannot be read: it is closed, or its path is invalid"),
        (closed, "cannot be read: it is closed"),
    ]:
        with pytest.raises(RadiographError, match=message) as refused:
            read_radiograph(source)
        assert "Doe" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_pipe_a_socket_and_a_device_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        for path, message in [
            (tmp_path / "pipe", "leads to a named pipe, not to a file. Choose"),
            (tmp_path / "socket", "leads to a socket, not to a file"),
            ("/dev/zero", "leads to a device, not to a file"),
            (tmp_path, "leads to a folder, not to a file"),
        ]:
            with pytest.raises(RadiographError, match=message):
                read_radiograph(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes of this kind")
def test_a_file_that_becomes_a_pipe_while_it_is_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(FILES["PNG"])
    opened = os.open

    def replacing(name: Path, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return opened(name, flags)

    monkeypatch.setattr(reading.os, "open", replacing)
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(RadiographError, match="leads to a named pipe"):
        read_radiograph(path)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "film.png").write_bytes(FILES["PNG"])
    (tmp_path / "link").symlink_to(tmp_path / "film.png")
    assert read_radiograph(tmp_path / "link").file_format == "PNG"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_other_kinds_of_bytes_are_read(kind: type) -> None:
    assert read_radiograph(kind(FILES["PNG"])).file_format == "PNG"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "from a path, from bytes, or .* mode 'rb'; received NoneType"),
        (3, "received int"),
        (np.zeros((2, 2)), "received ndarray"),
        (StringIO("text"), "opened as text. Open it with mode 'rb'"),
    ],
    ids=["None", "number", "array", "text file"],
)
def test_what_is_no_source_is_refused(source: Any, message: str) -> None:
    with pytest.raises(RadiographError, match=message):
        read_radiograph(source)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None, max_examples=200)
@given(
    start=st.sampled_from([b"", *(data[:12] for data in FILES.values())]),
    rest=st.binary(max_size=300),
)
def test_any_bytes_are_refused_or_read(start: bytes, rest: bytes) -> None:
    try:
        read = read_radiograph(start + rest)
    except RadiographError:
        return
    assert read.pixels.size > 0


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", VARIANTS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_file_cut_short_is_refused_or_complete(name: str, data: st.DataObject) -> None:
    whole = VARIANTS[name]
    try:
        read = read_radiograph(whole[: data.draw(st.integers(0, len(whole) - 1))])
    except RadiographError:
        return
    np.testing.assert_array_equal(read.pixels, read_radiograph(whole).pixels)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", VARIANTS)
def test_half_a_file_is_refused(name: str) -> None:
    whole = VARIANTS[name]
    with pytest.raises(RadiographError, match="cut short"):
        read_radiograph(whole[: len(whole) // 2])


def test_threads_do_not_disturb_each_other() -> None:
    sources = list(VARIANTS.values()) * 8
    expected = [read_radiograph(source).pixels for source in sources]
    with ThreadPoolExecutor(8) as pool:
        for read, pixels in zip(pool.map(read_radiograph, sources), expected, strict=True):
            np.testing.assert_array_equal(read.pixels, pixels)
