"""Look-up tables of DICOM, on entries few enough to be worked out by hand."""

import numpy as np
import pytest
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
)

from cxr_gradcam.imaging.dicom import read_dicom
from cxr_gradcam.imaging.radiograph import RadiographError
from tests.imaging.dicom_files import dataset, file_of, lut, shown


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


def test_a_lut_shorter_than_it_announces() -> None:
    table = lut(0, 8, [0, 10, 20])
    table[0].LUTDescriptor = [9, 0, 8]
    with pytest.raises(RadiographError, match="announces 9 entries but holds 3"):
        shown([[0, 1]], VOILUTSequence=table)
