"""Whatever a DICOM file holds: it is refused, or read in range."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    UID,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from cxr_gradcam.imaging.dicom.file import read_dicom
from cxr_gradcam.imaging.radiograph import RadiographError
from tests.imaging.dicom.dicom_files import NOISE, baseline, compressed, dataset, file_of

FILES = {
    "uncompressed": file_of(dataset(NOISE)),
    "RLE": file_of(compressed(NOISE, RLELossless)),
    "JPEG-LS": file_of(compressed(NOISE, JPEGLSLossless)),
    "JPEG 2000": file_of(compressed(NOISE, JPEG2000Lossless)),
    "JPEG": file_of(baseline(NOISE.astype(np.uint8))),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_file_cut_short_is_refused_or_complete(name: str, data: st.DataObject) -> None:
    whole = FILES[name]
    kept = data.draw(st.integers(0, len(whole) - 1))
    try:
        result = read_dicom(whole[:kept])
    except RadiographError:
        return
    np.testing.assert_array_equal(result, read_dicom(whole))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FILES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_in_range(name: str, data: st.DataObject) -> None:
    damaged = bytearray(FILES[name])
    places = st.tuples(st.integers(132, len(damaged) - 1), st.integers(0, 255))
    for position, value in data.draw(st.lists(places, min_size=1, max_size=8)):
        damaged[position] = value
    try:
        result = read_dicom(bytes(damaged))
    except RadiographError:
        return
    assert result.dtype == np.float32


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(rest=st.binary())
def test_any_bytes_after_the_preamble_are_refused(rest: bytes) -> None:
    with pytest.raises(RadiographError):
        read_dicom(bytes(128) + b"DICM" + rest)


@pytest.mark.parametrize(
    ("tag", "representation", "length"),
    [
        (b"\x08\0\x60\0", b"CS", 40),
        (b"\x02\0\x10\0", b"UI", 300),
        (b"\x08\0\x16\0", b"UI", 300),
    ],
    ids=["Modality", "TransferSyntaxUID", "SOPClassUID"],
)
def test_an_element_that_reaches_into_the_patients_name_is_not_told(
    tag: bytes, representation: bytes, length: int, caplog: pytest.LogCaptureFixture
) -> None:
    data = bytearray(file_of(dataset([[0, 1]])))
    start = data.index(tag + representation) + 6
    data[start : start + 2] = length.to_bytes(2, "little")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(RadiographError) as refused:
            read_dicom(bytes(data))
    said = [str(refused.value), caplog.text, *(str(warning.message) for warning in caught)]
    assert not any("Doe" in text for text in said)


@pytest.mark.parametrize("declared", [JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("others", [0, 2000])
def test_a_box_of_jpeg_2000_without_a_length_does_not_hold_the_reader_up(
    others: int, declared: UID
) -> None:
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(8 + others)
    made = compressed(NOISE, JPEG2000Lossless)
    expected = read_dicom(file_of(made))
    made.PixelData = encapsulate([boxes + get_frame(made.PixelData, 0, number_of_frames=1)])
    made.file_meta.TransferSyntaxUID = declared
    np.testing.assert_array_equal(read_dicom(file_of(made)), expected)


def test_bytes_before_a_code_stream_of_jpeg_2000_are_left_out() -> None:
    made = compressed(NOISE, JPEG2000Lossless)
    expected = read_dicom(file_of(made))
    made.PixelData = encapsulate([bytes(8) + get_frame(made.PixelData, 0, number_of_frames=1)])
    np.testing.assert_array_equal(read_dicom(file_of(made)), expected)
