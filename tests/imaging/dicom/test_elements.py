"""Elements as files write them: odd case, blanks, NULs, other value representations, damage."""

from typing import Any

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from cxr_gradcam.imaging.dicom.file import read_dicom
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.reading import read_for_viewing
from tests.imaging.dicom.dicom_files import dataset, file_of, shown

STEPS = [[0, 1], [2, 4]]
RISING, FALLING = [[0, 0.25], [0.5, 1]], [[1, 0.75], [0.5, 0]]


def with_raw(made: Dataset, **elements: bytes) -> bytes:
    """The file with elements that pydicom would not write: their values as bytes, padded to even.

    The value representation is the one that the element has, or CS.
    """
    for keyword, value in elements.items():
        stored = made.get_item(keyword)
        vr = "CS" if stored is None else stored.VR
        padded = value + b" " * (len(value) % 2)
        made[keyword] = RawDataElement(Tag(keyword), vr, len(padded), padded, 0, False, True)
    return file_of(made)


@pytest.mark.parametrize(
    "code", [b"sigmoid", b"Sigmoid", b" SIGMOID ", b"SIGMOID\0", b"SIGMOID\\", b"SIGMOID\\LINEAR"]
)
def test_a_voi_lut_function_is_what_it_says(code: bytes) -> None:
    made = dataset([[3, 4], [5, 0]], WindowCenter=4, WindowWidth=4)
    result = read_dicom(with_raw(made, VOILUTFunction=code))
    np.testing.assert_allclose(result, [[0.26894143, 0.5], [0.73105857, 0.01798621]], rtol=1e-6)


@pytest.mark.parametrize("code", [b"Linear_Exact", b"linear exact", b"LINEAR_EXACT \0"])
def test_a_linear_exact_function_in_other_words(code: bytes) -> None:
    made = dataset([[0, 5], [10, 90]], WindowCenter=5, WindowWidth=10)
    result = read_dicom(with_raw(made, VOILUTFunction=code))
    np.testing.assert_array_equal(result, [[0, 0.5], [1, 1]])


@pytest.mark.parametrize(
    "code", [b"monochrome1", b"MONOCHROME 1", b" MONOCHROME1\0", b"Mono_chrome1"]
)
def test_a_photometric_interpretation_is_what_it_says(code: bytes) -> None:
    result = read_dicom(with_raw(dataset(STEPS), PhotometricInterpretation=code))
    np.testing.assert_array_equal(result, FALLING)


@pytest.mark.parametrize("code", [b"dx", b"Cr", b"CR\0", b" DX", b"CR\\"])
def test_a_modality_is_what_it_says(code: bytes) -> None:
    np.testing.assert_array_equal(read_dicom(with_raw(dataset(STEPS), Modality=code)), RISING)


# DCMTK's dcmj2pnm gives the same, but for shapes in small letters, which it does not know.
@pytest.mark.parametrize(
    ("interpretation", "shape", "expected"),
    [
        ("MONOCHROME2", b"INVERSE", FALLING),
        ("MONOCHROME2", b"inverse", FALLING),
        ("MONOCHROME2", b"INVERSE\0", FALLING),
        ("MONOCHROME2", b"IDENTITY", RISING),
        ("MONOCHROME2", b"LIN OD", RISING),
        ("MONOCHROME1", b"INVERSE", FALLING),
        ("MONOCHROME1", b"IDENTITY", RISING),
        ("MONOCHROME1", b"", FALLING),
        ("MONOCHROME1", b"LIN OD", FALLING),
    ],
)
def test_the_presentation_lut_shape_decides_about_the_inversion(
    interpretation: str, shape: bytes, expected: list[list[float]]
) -> None:
    made = dataset(STEPS, PhotometricInterpretation=interpretation)
    data = with_raw(made, PresentationLUTShape=shape)
    radiograph, stored = read_for_viewing(data)
    np.testing.assert_array_equal(radiograph.pixels, expected)
    assert stored.is_inverted == (expected is FALLING)


@pytest.mark.parametrize("text", [b"1", b" 1", b"1\0", b"+1"])
@pytest.mark.parametrize("vr", ["IS", "CS", "LO", "SH", "DS"])
def test_a_sign_that_is_written_as_text(text: bytes, vr: str) -> None:
    made = dataset([[-4, 0], [2, 4]])
    made.add_new("PixelRepresentation", vr, "")
    result = read_dicom(with_raw(made, PixelRepresentation=text))
    np.testing.assert_array_equal(result, [[0, 0.5], [0.75, 1]])


@pytest.mark.parametrize("vr", ["UN", "OB", "OW", "SS"])
def test_a_sign_that_is_written_as_bytes(vr: str) -> None:
    made = dataset([[-4, 0], [2, 4]])
    made.add_new("PixelRepresentation", vr, 1 if vr == "SS" else b"\1\0")
    result = read_dicom(with_raw(made, PixelRepresentation=b"\1\0"))
    np.testing.assert_array_equal(result, [[0, 0.5], [0.75, 1]])


def test_padding_that_is_written_as_text() -> None:
    made = dataset([[0, 1], [3, 5]])
    made.add_new("PixelPaddingValue", "IS", "0")
    np.testing.assert_array_equal(read_dicom(file_of(made)), [[0, 0], [0.5, 1]])


def test_the_size_may_be_written_as_text_or_in_four_bytes() -> None:
    made = dataset(STEPS)
    for keyword, vr, value in (("Rows", "IS", "2"), ("Columns", "UL", 2)):
        made.add_new(keyword, vr, value)
    np.testing.assert_array_equal(read_dicom(file_of(made)), RISING)


@pytest.mark.parametrize("frames", [b"1", b"1 ", b"1\0", b" 1", b"", b"0"])
def test_the_number_of_frames_is_one_or_not_told(frames: bytes) -> None:
    made = dataset(STEPS)
    made.add_new("NumberOfFrames", "IS", "")
    np.testing.assert_array_equal(read_dicom(with_raw(made, NumberOfFrames=frames)), RISING)


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("Rows", b"Doe", r"\(0028,0010\) Rows is invalid; a whole number is needed"),
        ("PixelRepresentation", b"signed", "PixelRepresentation is invalid; a whole number"),
        ("NumberOfFrames", b"many", "NumberOfFrames is invalid; a whole number is needed"),
        ("NumberOfFrames", b"2", "NumberOfFrames is '2'; a series of images"),
    ],
)
def test_what_is_no_whole_number_is_refused(keyword: str, value: bytes, message: str) -> None:
    made = dataset(STEPS)
    made.add_new(keyword, "IS", "")
    with pytest.raises(RadiographError, match=message):
        read_dicom(with_raw(made, **{keyword: value}))


@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_a_missing_size_is_named(keyword: str) -> None:
    made = dataset(STEPS)
    delattr(made, keyword)
    with pytest.raises(RadiographError, match=f"{keyword} is missing or empty; the size"):
        read_dicom(file_of(made))


def test_orientation_and_calibration_in_small_letters() -> None:
    made = dataset(STEPS, PixelSpacing=[0.2, 0.2], PatientOrientation=["L", "F"])
    data = with_raw(made, PatientOrientation=b"l\\f", PixelSpacingCalibrationType=b"geometry")
    _, stored = read_for_viewing(data)
    assert stored.orientation == ("L", "F")
    assert stored.spacing is not None
    assert "geometry" in stored.spacing.says


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (b"Doe Jane", "Modality is invalid"),
        (b"ct", "Modality is invalid"),
        (b"CT", "Modality is 'CT'"),
        (b"PX\0", "Modality is 'PX'"),
    ],
)
def test_a_text_that_is_no_known_code_is_not_told(code: bytes, message: str) -> None:
    with pytest.raises(RadiographError, match=message) as refused:
        read_dicom(with_raw(dataset(STEPS), Modality=code))
    assert "doe" not in str(refused.value).lower()


def test_an_unknown_function_in_small_letters_is_linear() -> None:
    made: dict[str, Any] = {"WindowCenter": 4.5, "WindowWidth": 5}
    data = with_raw(dataset([[0, 2], [4, 9]], **made), VOILUTFunction=b"cubic")
    np.testing.assert_array_equal(read_dicom(data), shown([[0, 2], [4, 9]], **made))
