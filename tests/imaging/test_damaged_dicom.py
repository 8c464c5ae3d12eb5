"""Whatever a DICOM file holds: it is refused, or read in range."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from cxr_gradcam.imaging.dicom import read_dicom
from cxr_gradcam.imaging.radiograph import RadiographError
from tests.imaging.dicom_files import NOISE, baseline, compressed, dataset, file_of

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
