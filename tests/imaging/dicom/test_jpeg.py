"""JPEG Lossless and 12-bit JPEG, and the fence around their decoder."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    UID,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
)

from cxr_gradcam.imaging.dicom.file import read_dicom
from cxr_gradcam.imaging.dicom.jpeg import decode_with_gdcm
from cxr_gradcam.imaging.radiograph import RadiographError
from tests.imaging.dicom.dicom_files import NOISE, baseline, file_of, shown
from tests.imaging.dicom.jpeg_files import encapsulated, lossless, ramp

FRAME = lossless(NOISE, 12)
MESSAGE = r"cannot be decoded; .* \(JPEG Lossless, Non-Hierarchical"


@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1])
def test_jpeg_lossless_gives_the_same_pixels(syntax: UID) -> None:
    made = encapsulated(FRAME, NOISE, syntax, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_dicom(file_of(made)), shown(NOISE))


@pytest.mark.parametrize("precision", [8, 10, 14, 16])
def test_jpeg_lossless_of_every_depth(precision: int) -> None:
    kind = np.uint8 if precision == 8 else np.uint16
    pixels = (NOISE.astype(np.uint32) * (2**precision - 1) // 4095).astype(kind)
    made = encapsulated(lossless(pixels, precision), pixels, BitsStored=precision)
    np.testing.assert_array_equal(read_dicom(file_of(made)), shown(pixels))


def test_signed_values_stand_as_their_twos_complement() -> None:
    signed = NOISE.astype(np.int16) - 2048
    made = encapsulated(lossless(signed & 0xFFF, 12), signed, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_dicom(file_of(made)), shown(signed))


def test_12_bit_jpeg_extended() -> None:
    pixels, made = ramp([0, 819, 2048, 4095])
    np.testing.assert_allclose(read_dicom(file_of(made)), shown(pixels), atol=1e-3)


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGExtended12Bit])
def test_the_code_stream_and_not_its_name_chooses_the_decoder(syntax: UID) -> None:
    made = encapsulated(FRAME, NOISE, syntax, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(read_dicom(file_of(made)), shown(NOISE))


def test_8_bit_jpeg_under_the_name_of_jpeg_lossless() -> None:
    made = baseline(NOISE.astype(np.uint8))
    expected = read_dicom(file_of(made))
    made.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    np.testing.assert_array_equal(read_dicom(file_of(made)), expected)


def test_a_size_that_lies_is_not_decoded() -> None:
    height = FRAME.index(b"\xff\xc3") + 5
    lying = FRAME[:height] + b"\x9c\x40\x9c\x40" + FRAME[height + 4 :]
    with pytest.raises(RadiographError, match=r"40000 by 40000 pixels, .* 33 by 40"):
        read_dicom(file_of(encapsulated(lying, NOISE)))


def test_a_code_stream_that_is_cut_short_is_refused() -> None:
    for kept in (len(FRAME) // 2, len(FRAME) - 2):
        with pytest.raises(RadiographError, match=MESSAGE):
            read_dicom(file_of(encapsulated(FRAME[:kept], NOISE)))


@settings(deadline=None, max_examples=20)
@given(data=st.data())
def test_a_damaged_code_stream_is_refused_or_in_range(data: st.DataObject) -> None:
    damaged = bytearray(FRAME)
    places = st.tuples(st.integers(2, len(damaged) - 1), st.integers(0, 255))
    for position, value in data.draw(st.lists(places, min_size=1, max_size=8)):
        damaged[position] = value
    try:
        result = read_dicom(file_of(encapsulated(bytes(damaged), NOISE)))
    except RadiographError:
        return
    assert result.shape == NOISE.shape


@pytest.fixture
def instead_of_gdcm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that the decoder's process imports in the place of GDCM."""
    monkeypatch.delitem(sys.modules, "gdcm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield tmp_path / "gdcm.py"
    sys.modules.pop("gdcm", None)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits neither memory nor CPU")
@pytest.mark.parametrize(
    "fault",
    [
        "import os; os.abort()",
        "import os; os.kill(os.getpid(), 11)",
        "raise SystemExit(1)",
        "print('not the pixels')",
        "held = bytearray(4 * 2**30)",
        "while True: pass",
    ],
    ids=["abort", "segmentation fault", "exit", "no pixels", "memory", "runaway"],
)
def test_a_fault_of_the_decoder_ends_in_an_error(instead_of_gdcm: Path, fault: str) -> None:
    instead_of_gdcm.write_text(fault)
    with pytest.raises(RadiographError, match=MESSAGE):
        read_dicom(file_of(encapsulated(FRAME, NOISE)))


def test_nothing_of_the_decoder_is_left_behind(instead_of_gdcm: Path, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    instead_of_gdcm.write_text(
        f"import os; open({str(mark)!r}, 'w').write(str(os.getpid())); os.abort()"
    )
    with pytest.raises(ValueError, match="ended with status"):
        decode_with_gdcm(FRAME)
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_a_missing_library_is_an_error_like_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gdcm", None)
    with pytest.raises(RadiographError, match=MESSAGE):
        read_dicom(file_of(encapsulated(FRAME, NOISE)))
