"""The comparison with DCMTK: some made files of it, and a difference that it must see."""

import numpy as np
import pytest

from tests.campaigns.dcmtk import ROUNDING, compare, displayed, first_frame, is_installed, variants
from tests.imaging.dicom.dicom_files import NOISE, dataset, file_of

VARIANTS = list(variants())[::5]

needs_dcmtk = pytest.mark.skipif(not is_installed(), reason="DCMTK is not installed")


@needs_dcmtk
@pytest.mark.parametrize(("name", "made"), VARIANTS, ids=[name for name, _ in VARIANTS])
def test_what_is_read_is_what_dcmtk_displays(name, made):
    found = compare(name, file_of(made))
    assert found.difference is not None, found.said
    assert found.difference <= ROUNDING


@needs_dcmtk
def test_a_difference_is_seen():
    data = file_of(dataset(NOISE, WindowCenter=2000, WindowWidth=1500))
    whole, windowed = displayed(data, ["+Wm"]), displayed(data, ["+Wi", "1"])
    assert np.abs(whole - windowed).max() > 0.1


def test_the_first_of_several_frames_is_kept():
    made = dataset(NOISE[:2])
    made.PixelData = NOISE[:6].tobytes()
    several, single = file_of(made), file_of(dataset(NOISE[:2]))
    assert first_frame(single) == single
    made.NumberOfFrames = 3
    assert first_frame(file_of(made))[-NOISE[:2].nbytes :] == NOISE[:2].tobytes()
    assert len(first_frame(file_of(made))) < len(several)
