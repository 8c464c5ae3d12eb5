"""Every step of the grey scale on arrays small enough to be worked out by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from cxr_gradcam.imaging.dicom.file import read_dicom
from cxr_gradcam.imaging.radiograph import RadiographError
from tests.imaging.dicom.dicom_files import dataset, file_of, shown


def test_without_a_window_the_least_and_greatest_values_are_black_and_white() -> None:
    result = shown([[10, 11], [12, 14]])
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [[0, 0.25], [0.5, 1]])


def test_signed_values() -> None:
    np.testing.assert_array_equal(shown([[-4, 0], [2, 4]]), [[0, 0.5], [0.75, 1]])


def test_unused_bits_are_no_part_of_the_value() -> None:
    overlaid = [[0x1000, 0xF001], [2, 4]]
    result = shown(overlaid, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(result, [[0, 0.25], [0.5, 1]])


def test_a_constant_image_is_read() -> None:
    np.testing.assert_array_equal(shown([[7, 7]]), [[0, 0]])


def test_monochrome1_is_inverted_after_the_window() -> None:
    result = shown(
        [[0, 5], [10, 90]],
        PhotometricInterpretation="MONOCHROME1",
        VOILUTFunction="LINEAR_EXACT",
        WindowCenter=5,
        WindowWidth=10,
    )
    np.testing.assert_array_equal(result, [[1, 0.5], [0, 0]])


def test_presentation_lut_shape_repeats_the_inversion_of_monochrome1() -> None:
    result = shown(
        [[0, 1], [2, 4]], PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"
    )
    np.testing.assert_array_equal(result, [[1, 0.75], [0.5, 0]])


def test_linear_window() -> None:
    # From 4.5 - 0.5 - (5 - 1) / 2 = 2 to 4.5 - 0.5 + (5 - 1) / 2 = 6
    result = shown([[0, 2], [4, 9]], WindowCenter=4.5, WindowWidth=5)
    np.testing.assert_array_equal(result, [[0, 0], [0.5, 1]])


def test_linear_window_of_width_one_is_a_threshold() -> None:
    result = shown([[3, 4], [5, 9]], WindowCenter=4.5, WindowWidth=1)
    np.testing.assert_array_equal(result, [[0, 0], [1, 1]])


def test_the_window_and_not_the_image_sets_the_range() -> None:
    result = shown([[4, 6], [8, 10]], VOILUTFunction="LINEAR_EXACT", WindowCenter=8, WindowWidth=16)
    np.testing.assert_array_equal(result, [[0.25, 0.375], [0.5, 0.625]])


def test_sigmoid_window() -> None:
    # 1 / (1 + exp(-4 (x - 4) / 4))
    result = shown([[3, 4], [5, 0]], VOILUTFunction="SIGMOID", WindowCenter=4, WindowWidth=4)
    expected = [[0.26894143, 0.5], [0.73105857, 0.01798621]]
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_the_first_of_several_windows_counts() -> None:
    result = shown([[0, 2], [4, 9]], WindowCenter=[4.5, 100], WindowWidth=[5, 300])
    np.testing.assert_array_equal(result, [[0, 0], [0.5, 1]])


@pytest.mark.parametrize("missing", [{"WindowWidth": 5}, {"WindowCenter": 5, "WindowWidth": None}])
def test_half_a_window_is_none(missing: dict[str, Any]) -> None:
    np.testing.assert_array_equal(shown([[0, 1], [2, 4]], **missing), [[0, 0.25], [0.5, 1]])


def test_rescale_comes_before_the_window() -> None:
    result = shown(
        [[0, 5], [10, 20]],
        RescaleSlope=2,
        RescaleIntercept=-10,
        VOILUTFunction="LINEAR_EXACT",
        WindowCenter=0,
        WindowWidth=20,
    )
    np.testing.assert_array_equal(result, [[0, 0.5], [1, 1]])


def test_a_negative_slope_turns_the_order_round() -> None:
    result = shown([[0, 1], [2, 4]], RescaleSlope=-1, RescaleIntercept=0)
    np.testing.assert_array_equal(result, [[1, 0.75], [0.5, 0]])


def test_padding_is_black_and_outside_the_range() -> None:
    result = shown([[0, 1], [3, 5]], PixelPaddingValue=0)
    np.testing.assert_array_equal(result, [[0, 0], [0.5, 1]])


def test_padding_is_black_in_monochrome1_too() -> None:
    pixels = np.array([[255, 1], [3, 5]], dtype=np.uint8)
    result = shown(pixels, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=255)
    np.testing.assert_array_equal(result, [[0, 1], [0.5, 0]])


@pytest.mark.parametrize(("value", "limit"), [(0, 2), (2, 0)])
def test_padding_range_holds_its_ends(value: int, limit: int) -> None:
    result = shown([[0, 1, 2], [3, 5, 7]], PixelPaddingValue=value, PixelPaddingRangeLimit=limit)
    np.testing.assert_array_equal(result, [[0, 0, 0], [0, 0.5, 1]])


def test_padding_is_found_in_the_stored_values() -> None:
    result = shown(
        [[0, 1], [3, 5]], RescaleSlope=2, RescaleIntercept=1, PixelPaddingValue=5
    )  # 5 is what the stored 2 would become; the stored 5 is the padding.
    np.testing.assert_allclose(result, [[0, 1 / 3], [1, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "representation", "value"),
    [([[-2000, 1], [3, 5]], "US", 63536), ([[63536, 1], [3, 5]], "SS", -2000)],
)
def test_padding_written_with_the_other_sign(
    pixels: list[list[int]], representation: str, value: int
) -> None:
    made = dataset(pixels)
    made.add_new("PixelPaddingValue", representation, value)
    np.testing.assert_array_equal(read_dicom(file_of(made)), [[0, 0], [0.5, 1]])


def test_nothing_but_padding() -> None:
    with pytest.raises(RadiographError, match="every pixel"):
        shown([[7, 7]], PixelPaddingValue=7)


UNUSABLE = [("0", "0"), ("4.5", "0"), ("nan", "5"), ("4.5", "inf"), ("wide", "5"), ("4.5", "0.5")]


def with_window(pixels: ArrayLike, center: str, width: str) -> bytes:
    """The file, with texts for its window that need be no numbers."""
    made = dataset(pixels)
    for keyword, text in (("WindowCenter", center), ("WindowWidth", width)):
        value = text.encode() + b" " * (len(text) % 2)
        made[keyword] = RawDataElement(Tag(keyword), "DS", len(value), value, 0, False, True)
    return file_of(made)


@pytest.mark.parametrize(("center", "width"), UNUSABLE)
def test_an_unusable_window_is_left_out(center: str, width: str) -> None:
    result = read_dicom(with_window([[0, 1], [2, 4]], center, width))
    np.testing.assert_array_equal(result, [[0, 0.25], [0.5, 1]])


@pytest.mark.parametrize(("center", "width"), UNUSABLE)
def test_a_good_window_behind_an_unusable_one_counts(center: str, width: str) -> None:
    data = with_window([[0, 2], [4, 9]], f"{center}\\4.5", f"{width}\\5")
    np.testing.assert_array_equal(read_dicom(data), [[0, 0], [0.5, 1]])


@pytest.mark.parametrize(("center", "width"), [("4,5", "5,0"), ("4.5\0", " 5"), ("+4.5", "5E0")])
def test_a_number_in_another_spelling_counts(center: str, width: str) -> None:
    data = with_window([[0, 2], [4, 9]], center, width)
    np.testing.assert_array_equal(read_dicom(data), [[0, 0], [0.5, 1]])


def test_a_trailing_backslash_is_no_second_window() -> None:
    data = with_window([[0, 2], [4, 9]], "4.5\\", "5\\")
    np.testing.assert_array_equal(read_dicom(data), [[0, 0], [0.5, 1]])


def test_an_unknown_function_is_linear() -> None:
    result = shown([[0, 2], [4, 9]], WindowCenter=4.5, WindowWidth=5, VOILUTFunction="CUBIC")
    np.testing.assert_array_equal(result, [[0, 0], [0.5, 1]])


def test_a_narrow_window_that_is_not_linear() -> None:
    window = {"WindowCenter": 0.5, "WindowWidth": 0.5, "VOILUTFunction": "LINEAR_EXACT"}
    result = shown([[0, 1], [2, 3]], RescaleSlope=0.25, RescaleIntercept=0.125, **window)
    np.testing.assert_array_equal(result, [[0, 0.25], [0.75, 1]])


@pytest.mark.parametrize(
    "rescale",
    [
        {"RescaleSlope": 0, "RescaleIntercept": 5},
        {"RescaleSlope": 3},
        {"RescaleIntercept": 3},
        {"RescaleSlope": [1, 9], "RescaleIntercept": [0, 9]},
    ],
    ids=["slope of 0", "slope alone", "intercept alone", "first of several"],
)
def test_a_rescale_that_cannot_be_used_is_left_out(rescale: dict[str, Any]) -> None:
    result = shown([[0, 2], [4, 9]], WindowCenter=4.5, WindowWidth=5, **rescale)
    np.testing.assert_array_equal(result, [[0, 0], [0.5, 1]])


@pytest.mark.parametrize("high_bit", [11, 13, 15])
def test_the_high_bit_says_where_the_value_stands(high_bit: int) -> None:
    moved = np.array([[0, 1], [2, 4]]) << (high_bit - 11)
    around = 0xFFFF & ~(0xFFF << (high_bit - 11))
    result = shown((moved | around).astype(np.uint16), BitsStored=12, HighBit=high_bit)
    np.testing.assert_array_equal(result, [[0, 0.25], [0.5, 1]])


def test_the_high_bit_of_signed_values_is_their_sign() -> None:
    moved = np.array([[-4, 0], [2, 4]], dtype=np.int16) << 4
    result = shown(moved, BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(result, [[0, 0.5], [0.75, 1]])


@pytest.mark.parametrize(
    "bits",
    [
        {"BitsStored": 0},
        {"BitsStored": 20},
        {"BitsStored": None},
        {"BitsStored": 12, "HighBit": 0},
        {"BitsStored": 12, "HighBit": 20},
        {"BitsStored": 12, "HighBit": None},
        {"PixelRepresentation": 2},
    ],
    ids=str,
)
def test_bits_that_cannot_be_so_are_as_usual(bits: dict[str, Any]) -> None:
    np.testing.assert_array_equal(shown([[0, 1], [2, 4]], **bits), [[0, 0.25], [0.5, 1]])


def test_values_of_32_bits() -> None:
    pixels = np.array([[0, 2**30], [2**31, 2**32 - 1]], dtype=np.uint32)
    np.testing.assert_allclose(shown(pixels), [[0, 0.25], [0.5, 1]], atol=1e-6)
