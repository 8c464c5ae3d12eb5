"""DICOM files that lack what every viewer can do without, and photographs in colour."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from cxr_gradcam.imaging.dicom.file import read_dicom
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from tests.imaging.dicom.dicom_files import NOISE, baseline, compressed, dataset, file_of, shown

STEPS = [[0, 0.25], [0.5, 1]]
COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [51, 51, 51]]], dtype=np.uint8)
LUMA = [[0.299, 0.587], [0.114, 0.2]]


def bare(made: Dataset, syntax: UID) -> bytes:
    """The data set alone: no preamble and no meta information."""
    stream = DicomBytesIO()
    stream.is_implicit_VR = syntax.is_implicit_VR
    stream.is_little_endian = syntax.is_little_endian
    write_dataset(stream, made)
    return stream.getvalue()


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_a_data_set_without_preamble_and_meta_information(syntax: UID) -> None:
    pixels = np.array([[0, 51], [204, 255]], dtype=np.uint8)
    read = read_radiograph(bare(dataset(pixels), syntax))
    assert read.file_format == "DICOM"
    np.testing.assert_allclose(read.pixels, [[0, 0.2], [0.8, 1]], rtol=1e-6)


@pytest.mark.parametrize("start", [128, 132])
def test_meta_information_without_preamble(start: int) -> None:
    # With and without the four letters in front
    data = file_of(dataset([[0, 1], [2, 4]]))[start:]
    np.testing.assert_array_equal(read_radiograph(data).pixels, STEPS)


def declaring(made: Dataset, syntax: UID | None) -> bytes:
    """The file, whose meta information names another transfer syntax than it has, or none."""
    data = file_of(made)
    start = data.index(b"\x02\0\x10\0UI")
    end = start + 8 + int.from_bytes(data[start + 6 : start + 8], "little")
    name = b"" if syntax is None else syntax.encode() + b"\0" * (len(syntax) % 2)
    element = data[start : start + 6] + len(name).to_bytes(2, "little") + name
    return data[:start] + (element if name else b"") + data[end:]


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_missing_transfer_syntax_is_seen_in_the_data_set(syntax: UID) -> None:
    made = dataset(np.array([[0, 51], [204, 255]], dtype=np.uint8))
    made.file_meta.TransferSyntaxUID = syntax
    result = read_dicom(declaring(made, None))
    np.testing.assert_allclose(result, [[0, 0.2], [0.8, 1]], rtol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_a_missing_transfer_syntax_is_seen_in_the_code_stream(syntax: UID) -> None:
    result = read_dicom(declaring(compressed(NOISE, syntax), None))
    np.testing.assert_array_equal(result, shown(NOISE))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_missing_transfer_syntax_of_baseline_jpeg() -> None:
    made = baseline(NOISE.astype(np.uint8))
    np.testing.assert_array_equal(read_dicom(declaring(made, None)), read_dicom(file_of(made)))


@pytest.mark.parametrize(
    ("true", "false"),
    [
        (ExplicitVRLittleEndian, JPEGBaseline8Bit),
        (ExplicitVRLittleEndian, ImplicitVRLittleEndian),
        (JPEGLSLossless, ExplicitVRLittleEndian),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_transfer_syntax_that_the_data_set_contradicts(true: UID, false: UID) -> None:
    made = compressed(NOISE, true) if true.is_encapsulated else dataset(NOISE)
    np.testing.assert_array_equal(read_dicom(declaring(made, false)), shown(NOISE))


@pytest.mark.parametrize(
    "missing",
    [
        "Modality",
        "SamplesPerPixel",
        "BitsStored",
        "HighBit",
        "BitsAllocated",
        "PixelRepresentation",
    ],
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_an_attribute_with_one_sensible_value_may_be_missing(missing: str, kind: type) -> None:
    made = dataset(np.array([[0, 1], [2, 4]], dtype=kind))
    delattr(made, missing)
    np.testing.assert_array_equal(read_dicom(file_of(made)), STEPS)


@pytest.mark.parametrize(("shape", "expected"), [("IDENTITY", [[0, 1]]), ("INVERSE", [[1, 0]])])
def test_the_presentation_lut_shape_tells_a_missing_interpretation(
    shape: str, expected: list[list[int]]
) -> None:
    made = dataset([[0, 1]], PresentationLUTShape=shape)
    del made.PhotometricInterpretation
    np.testing.assert_array_equal(read_dicom(file_of(made)), expected)


def coloured(pixels: NDArray[np.unsignedinteger], **attributes: Any) -> Dataset:
    """A photograph in red, green and blue, (H, W, 3)."""
    made = dataset(pixels[..., 0], Modality="XC", SamplesPerPixel=3, **attributes)
    made.PhotometricInterpretation = attributes.get("PhotometricInterpretation", "RGB")
    planar = attributes.get("PlanarConfiguration", 0)
    made.PixelData = (np.moveaxis(pixels, -1, 0) if planar else pixels).tobytes()
    return made


@pytest.mark.parametrize("planar", [{}, {"PlanarConfiguration": 0}, {"PlanarConfiguration": 1}])
@pytest.mark.parametrize("modality", ["XC", "CR", "DX"])
def test_colour_becomes_luma(planar: dict[str, int], modality: str) -> None:
    made = coloured(COLOURS, **planar)
    made.Modality = modality
    np.testing.assert_allclose(read_dicom(file_of(made)), LUMA, atol=1e-6)


@pytest.mark.parametrize("bits", [12, 16])
def test_colour_of_12_bits_is_as_bright_whatever_depth_is_named(bits: int) -> None:
    deep = (COLOURS * (4095 / 255)).astype(np.uint16)
    made = coloured(deep, BitsStored=bits, HighBit=bits - 1)
    np.testing.assert_allclose(read_dicom(file_of(made)), LUMA, atol=1e-3)


def test_luma_that_is_stored_is_taken() -> None:
    ybr = np.array([[[10, 128, 128], [204, 90, 240]]], dtype=np.uint8)
    result = read_dicom(file_of(coloured(ybr, PhotometricInterpretation="YBR_FULL")))
    np.testing.assert_allclose(result, [[10 / 255, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("interpretation", ["RGB", "YBR_FULL_422"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_jpeg_in_colour_tells_its_colours_itself(interpretation: str) -> None:
    flat = np.broadcast_to(np.array([200, 100, 50], dtype=np.uint8), (16, 16, 3))
    stream = BytesIO()
    Image.fromarray(flat).save(stream, "JPEG", quality=100)  # JFIF: luma and differences
    made = coloured(flat, PhotometricInterpretation=interpretation)
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.PixelData = encapsulate([stream.getvalue()])
    expected = (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255
    np.testing.assert_allclose(read_dicom(file_of(made)), expected, atol=1.5 / 255)


def test_samples_that_the_interpretation_does_not_have_are_refused() -> None:
    made = coloured(COLOURS)
    made.PhotometricInterpretation = "MONOCHROME2"
    with pytest.raises(RadiographError, match="SamplesPerPixel is '3'"):
        read_dicom(file_of(made))


def test_a_deflated_file_is_read_under_its_own_name() -> None:
    made = dataset([[0, 1], [2, 4]])
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    np.testing.assert_array_equal(read_radiograph(file_of(made)).pixels, STEPS)
