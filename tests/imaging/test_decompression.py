"""Files that are compressed as a whole, and deflated DICOM as writers make it."""

import bz2
import gzip
import lzma
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from cxr_gradcam.imaging import decompression, reading
from cxr_gradcam.imaging.formats import has_known_format
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.reading import read_for_viewing, read_radiograph
from tests.imaging.dicom.dicom_files import dataset, file_of

STEPS = [[0, 0.25], [0.5, 1]]
DICOM = file_of(dataset([[0, 1], [2, 4]]))
FILES = {"DICOM": DICOM} | {
    kind: cv2.imencode(f".{kind.lower()}", np.tile(np.uint8([[0, 64], [128, 255]]), (8, 8)))[
        1
    ].tobytes()
    for kind in ("PNG", "JPEG", "TIFF", "BMP")
}
COMPRESSIONS = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "fast zlib": lambda data: zlib.compress(data, 1),
    "gzip of two members": lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]),
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("name", FILES)
def test_a_compressed_file_is_read_like_its_content(name: str, compression: str) -> None:
    data = COMPRESSIONS[compression](FILES[name])
    read, expected = read_radiograph(data), read_radiograph(FILES[name])
    assert read.file_format == name
    np.testing.assert_array_equal(read.pixels, expected.pixels)


def test_a_compressed_file_has_its_stored_values() -> None:
    stored, expected = read_for_viewing(gzip.compress(DICOM))[1], read_for_viewing(DICOM)[1]
    np.testing.assert_array_equal(stored.values, expected.values)


@pytest.mark.parametrize("name", FILES)
def test_a_compressed_file_has_a_known_format(name: str) -> None:
    assert has_known_format(FILES[name])
    assert all(has_known_format(compress(FILES[name])) for compress in COMPRESSIONS.values())


@pytest.mark.parametrize(
    "data",
    [b"text", gzip.compress(b"text"), zlib.compress(b"text"), b"\x1f\x8b\x08", b"x\x9c", b""],
    ids=["text", "gzip", "zlib", "start of gzip", "start of zlib", "nothing"],  # gzip has a date
)
def test_other_files_have_none(data: bytes) -> None:
    assert not has_known_format(data)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_bomb_is_refused(compression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = COMPRESSIONS[compression](DICOM + bytes(100_000))
    for module in (decompression, reading):
        monkeypatch.setattr(module, "MAX_BYTES", 50_000)
    with pytest.raises(RadiographError, match="holds more than 50,000 bytes"):
        read_radiograph(bomb)


@pytest.mark.parametrize("kept", [20, 100, -9, -4])
def test_a_gzip_file_that_is_cut_short_is_refused(kept: int) -> None:
    with pytest.raises(RadiographError, match="gzip file is damaged or cut short"):
        read_radiograph(gzip.compress(DICOM)[:kept])


def test_a_damaged_gzip_file_is_refused() -> None:
    damaged = bytearray(gzip.compress(DICOM))
    damaged[-6] ^= 1
    with pytest.raises(RadiographError, match="gzip file is damaged"):
        read_radiograph(bytes(damaged))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(b"notes"), r"\(5 bytes\) holds no image"),
        (gzip.compress(b"file" + bytes(253) + b"ustar"), "tar archive. Unpack it"),
        (gzip.compress(gzip.compress(DICOM)), "gzip more than once. Decompress it"),
        (bz2.compress(DICOM), "compressed by bzip2. Decompress it"),
        (lzma.compress(DICOM), "compressed by xz. Decompress it"),
        (b"\x28\xb5\x2f\xfd" + bytes(40), "compressed by zstd. Decompress it"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip archive. Unpack it"),
        (b"x\x9cno deflated data", "holds no image"),
    ],
    ids=["text", "tar", "twice", "bzip2", "xz", "zstd", "7z", "not zlib"],
)
def test_what_is_inside_or_around_is_named(data: bytes, message: str) -> None:
    with pytest.raises(RadiographError, match=message):
        read_radiograph(data)


def deflated(compressed: bytes) -> bytes:
    """A file whose meta information says that it is deflated, with this behind it."""
    made = dataset([[0, 1], [2, 4]])
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = file_of(made)
    start = 132 + 12 + int.from_bytes(data[140:144], "little")
    return data[:start] + compressed


def elements() -> bytes:
    """The data set of a radiograph in explicit VR little endian."""
    made = dataset([[0, 1], [2, 4]])
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    stream = BytesIO()
    made.save_as(stream, enforce_file_format=True)
    data = stream.getvalue()
    return data[132 + 12 + int.from_bytes(data[140:144], "little") :]


def raw(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    "compress",
    [
        raw,
        lambda data: raw(data) + b"\0",
        zlib.compress,
        lambda data: zlib.compress(data, 9) + b"\0",
        gzip.compress,
        lambda data: data,
    ],
    ids=["as the standard says", "padded", "zlib", "zlib padded", "gzip", "not at all"],
)
def test_deflated_dicom_whatever_is_in_front(compress) -> None:
    np.testing.assert_array_equal(read_radiograph(deflated(compress(elements()))).pixels, STEPS)


@pytest.mark.parametrize("compress", [raw, zlib.compress])
def test_deflated_dicom_that_is_cut_short_is_refused(compress) -> None:
    with pytest.raises(RadiographError, match=r"cut short|incomplete"):
        read_radiograph(deflated(compress(elements())[:-12]))


def test_a_compressed_file_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "whole.dcm.gz"
    path.write_bytes(gzip.compress(DICOM))
    np.testing.assert_array_equal(read_radiograph(path).pixels, STEPS)
