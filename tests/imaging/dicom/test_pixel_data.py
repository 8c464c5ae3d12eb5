"""Pixel data of every transfer syntax, and code streams that lie."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from cxr_gradcam.imaging.dicom.file import read_dicom
from cxr_gradcam.imaging.radiograph import RadiographError
from tests.imaging.dicom.dicom_files import NOISE, baseline, compressed, dataset, file_of, shown


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_uncompressed_and_deflated_syntaxes(syntax: UID) -> None:
    # The byte order of the pixels is the syntax's; 8 bits have none.
    made = dataset(np.array([[0, 51], [204, 255]], dtype=np.uint8), WindowCenter=128)
    made.WindowWidth = 256
    made.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_allclose(read_dicom(file_of(made)), [[0, 0.2], [0.8, 1]], rtol=1e-6)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_lossless_compression_gives_the_same_pixels(syntax: UID) -> None:
    np.testing.assert_array_equal(read_dicom(file_of(compressed(NOISE, syntax))), shown(NOISE))


def test_lossy_jpeg_2000_is_close() -> None:
    made = dataset(NOISE)
    made.compress(JPEG2000, j2k_cr=[2], generate_instance_uid=False)
    np.testing.assert_allclose(read_dicom(file_of(made)), shown(NOISE), atol=0.05)


def test_jpeg_baseline_is_close() -> None:
    pixels = np.linspace(0, 255, 16 * 24).reshape(16, 24).astype(np.uint8)
    np.testing.assert_allclose(
        read_dicom(file_of(baseline(pixels))), shown(pixels), atol=2.01 / 255
    )


def test_jpeg_2000_inside_the_boxes_of_a_file() -> None:
    stream = BytesIO()
    Image.fromarray(NOISE.astype(np.uint8)).save(stream, "JPEG2000", no_jp2=False)
    made = dataset(NOISE.astype(np.uint8))
    made.file_meta.TransferSyntaxUID = JPEG2000Lossless
    made.PixelData = encapsulate([stream.getvalue()])
    np.testing.assert_array_equal(read_dicom(file_of(made)), shown(NOISE.astype(np.uint8)))


def test_several_samples_are_refused() -> None:
    made = dataset(np.zeros((1, 6), dtype=np.uint8), SamplesPerPixel=3, PlanarConfiguration=0)
    made.Columns = 2
    with pytest.raises(RadiographError, match="SamplesPerPixel is '3'"):
        read_dicom(file_of(made))


def test_an_undecodable_syntax_is_named() -> None:
    made = dataset([[0, 1]])
    made.file_meta.TransferSyntaxUID = MPEG2MPML
    made.PixelData = encapsulate([bytes(8)])
    message = r"\(0002,0010\) TransferSyntaxUID is '1\.2\.840\.10008\.1\.2\.4\.100' \(MPEG2 "
    with pytest.raises(RadiographError, match=message):
        read_dicom(file_of(made))


def test_a_codestream_larger_than_announced_is_not_decoded() -> None:
    small = np.zeros((64, 64), dtype=np.uint8)
    huge = struct.pack(">2I", 40_000, 40_000)
    for made, marker, position, size in [
        (compressed(small, JPEG2000Lossless), b"\xff\x51", 6, huge),
        (compressed(small, JPEGLSLossless), b"\xff\xf7", 5, struct.pack(">2H", 40_000, 40_000)),
        (baseline(small), b"\xff\xc0", 5, struct.pack(">2H", 40_000, 40_000)),
    ]:
        frame = bytearray(get_frame(made.PixelData, 0, number_of_frames=1))
        start = frame.index(marker) + position
        frame[start : start + len(size)] = size
        made.PixelData = encapsulate([bytes(frame)])
        with pytest.raises(RadiographError, match=r"40000 by 40000 pixels, .* 64 by 64"):
            read_dicom(file_of(made))


def test_a_damaged_rle_segment_is_refused() -> None:
    made = dataset(np.zeros((4, 4), dtype=np.uint8))
    made.file_meta.TransferSyntaxUID = RLELossless
    # One segment, whose first byte announces 128 literals of which 3 follow
    made.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + b"\x7f\x00\x01\x02"])
    with pytest.raises(RadiographError, match="RLE Lossless"):
        read_dicom(file_of(made))
