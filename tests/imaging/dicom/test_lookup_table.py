"""Look-up tables of DICOM, on entries few enough to be worked out by hand."""

import numpy as np
import pytest
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cxr_gradcam.imaging.dicom.file import read_dicom
from tests.imaging.dicom.dicom_files import dataset, file_of, lut, shown


def test_modality_lut_comes_before_the_window() -> None:
    result = shown(
        [[0, 1], [2, 9]],
        ModalityLUTSequence=lut(0, 8, [10, 20, 30, 40]),
        VOILUTFunction="LINEAR_EXACT",
        WindowCenter=20,
        WindowWidth=20,
    )
    np.testing.assert_array_equal(result, [[0, 0.5], [1, 1]])


def test_voi_lut_goes_before_a_window_and_sets_the_range() -> None:
    result = shown(
        [[0, 10], [12, 99]],
        VOILUTSequence=lut(10, 8, [51, 60, 102, 204]),
        WindowCenter=1,
        WindowWidth=1,
    )
    np.testing.assert_allclose(result, [[0.2, 0.2], [0.4, 0.8]], rtol=1e-6)


def test_voi_lut_after_rescale_and_from_a_negative_value() -> None:
    result = shown(
        [[-9, -2], [-1, 9]],
        RescaleSlope=1,
        RescaleIntercept=0,
        VOILUTSequence=lut(-2, 12, [0, 819, 4095]),
    )
    np.testing.assert_allclose(result, [[0, 0], [0.2, 1]], rtol=1e-6)


def test_voi_lut_takes_the_nearest_entry() -> None:
    # The stored 3 and 6 become 0.999999 and 1.999998.
    result = shown(
        [[0, 3], [6, 9]],
        RescaleSlope="0.333333",
        RescaleIntercept=0,
        VOILUTSequence=lut(0, 8, [0, 51, 255]),
    )
    np.testing.assert_allclose(result, [[0, 0.2], [1, 1]], rtol=1e-6)


def test_an_8_bit_lut_of_more_than_256_entries() -> None:
    result = shown([[0, 300], [600, 1023]], VOILUTSequence=lut(0, 8, [i // 4 for i in range(1024)]))
    np.testing.assert_allclose(result * 255, [[0, 75], [150, 255]], rtol=1e-6)


@pytest.mark.parametrize(
    ("syntax", "data"),
    [
        (ExplicitVRLittleEndian, b"\x00\x00\x33\x00\xff\x00"),
        (ExplicitVRBigEndian, b"\x00\x00\x00\x33\x00\xff"),
        (ExplicitVRLittleEndian, b"\x00\x33\xff\x00"),
    ],
    ids=["little", "big", "packed"],
)
def test_lut_as_bytes(syntax: UID, data: bytes) -> None:
    table = lut(0, 8, [0, 0, 0])
    table[0].add_new("LUTData", "OW", data)
    made = dataset(np.array([[0, 1, 2]], dtype=np.uint8), VOILUTSequence=table)
    made.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_allclose(read_dicom(file_of(made)), [[0, 0.2, 1]], rtol=1e-6)


@pytest.mark.parametrize("announced", [4, 5, 9, 0])
def test_a_lut_is_as_long_as_what_it_holds(announced: int) -> None:
    table = lut(0, 8, [0, 51, 102, 255])
    table[0].LUTDescriptor = [announced, 0, 8]
    result = shown([[0, 1], [2, 99]], VOILUTSequence=table)
    np.testing.assert_allclose(result, [[0, 0.2], [0.4, 1]], rtol=1e-6)


@pytest.mark.parametrize("bits", [0, 8, 10, 12, 14, 16, 32, 255])
@pytest.mark.parametrize("white", [1023, 4095, 65535])
def test_the_entries_tell_the_depth_where_the_descriptor_names_another(
    bits: int, white: int
) -> None:
    result = shown([[0, 1]], VOILUTSequence=lut(0, bits, [white // 3, white]))
    np.testing.assert_allclose(result, [[1 / 3, 1]], rtol=1e-6)


@pytest.mark.parametrize(
    ("bits", "brightest", "white"), [(12, 3000, 4095), (9, 500, 511), (13, 8000, 8191)]
)
def test_a_depth_that_the_entries_bear_out_is_believed(
    bits: int, brightest: int, white: int
) -> None:
    result = shown([[0, 1]], VOILUTSequence=lut(0, bits, [0, brightest]))
    np.testing.assert_allclose(result, [[0, brightest / white]], rtol=1e-6)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("representation", ["US", "SS"])
def test_the_first_value_has_the_sign_that_the_values_can_have(
    syntax: UID, representation: str
) -> None:
    # Implicit VR does not tell the type of the descriptor, and explicit VR may name the wrong one.
    table = lut(0, 8, [0, 51, 255])
    first = -1024 % 2**16 if representation == "US" else -1024
    table[0].add_new("LUTDescriptor", representation, [3, first, 8])
    made = dataset([[0, 1, 2]], RescaleIntercept=-1024, RescaleSlope=1, VOILUTSequence=table)
    made.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_allclose(read_dicom(file_of(made)), [[0, 0.2, 1]], rtol=1e-6)


def test_a_first_value_in_the_upper_half_of_16_bits_stays_there() -> None:
    result = shown([[40_000, 40_001, 40_002]], VOILUTSequence=lut(40_000, 8, [0, 51, 255]))
    np.testing.assert_allclose(result, [[0, 0.2, 1]], rtol=1e-6)


def test_the_first_value_of_a_modality_lut_has_the_sign_of_the_stored_values() -> None:
    table = lut(0, 8, [10, 20, 30])
    table[0].add_new("LUTDescriptor", "US", [3, -1 % 2**16, 8])
    result = shown([[-1, 0, 1]], ModalityLUTSequence=table)
    np.testing.assert_array_equal(result, [[0, 0.5, 1]])


def test_a_lut_packed_in_words_of_a_list() -> None:
    # 0, 51, 102 and 255, two in a word, the first in its low byte
    table = lut(0, 8, [51 << 8, 255 << 8 | 102])
    table[0].LUTDescriptor = [4, 0, 8]
    result = shown([[0, 1], [2, 3]], VOILUTSequence=table)
    np.testing.assert_allclose(result, [[0, 0.2], [0.4, 1]], rtol=1e-6)


def test_a_lut_that_tells_nothing_apart_gives_way_to_the_next() -> None:
    result = shown([[0, 1, 2]], VOILUTSequence=lut(0, 8, [7, 7, 7]) + lut(0, 8, [0, 51, 255]))
    np.testing.assert_allclose(result, [[0, 0.2, 1]], rtol=1e-6)


@pytest.mark.parametrize("keyword", ["LUTDescriptor", "LUTData"])
def test_a_lut_without_its_parts_gives_way_to_the_window(keyword: str) -> None:
    table = lut(0, 8, [0, 51, 255])
    delattr(table[0], keyword)
    result = shown([[0, 2], [4, 9]], VOILUTSequence=table, WindowCenter=4.5, WindowWidth=5)
    np.testing.assert_array_equal(result, [[0, 0], [0.5, 1]])
