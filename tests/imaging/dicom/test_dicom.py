"""Which DICOM files are read, and what the others are told."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
)

from cxr_gradcam.imaging import decompression
from cxr_gradcam.imaging.dicom.file import read_dicom
from cxr_gradcam.imaging.radiograph import RadiographError
from tests.imaging.dicom.dicom_files import dataset, file_of, shown


@pytest.mark.parametrize("modality", ["CR", "DX", "DR", "RG", "XC"])
def test_radiography_is_read(modality: str) -> None:
    assert shown([[0, 1]], Modality=modality).shape == (1, 2)


@pytest.mark.parametrize("modality", ["CT", "MR", "US", "MG", "PX", "RF", "OT", "SR"])
def test_other_modalities_are_refused(modality: str) -> None:
    with pytest.raises(RadiographError, match=rf"\(0008,0060\) Modality is '{modality}'"):
        shown([[0, 1]], Modality=modality)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"Modality": "", "SOPClassUID": "1.2"}, r"\(0008,0060\) Modality is missing or empty"),
        ({"Modality": "Doe^Jane"}, r"\(0008,0060\) Modality is invalid"),
        ({"PhotometricInterpretation": "HSV"}, r"\(0028,0004\) PhotometricInterp.* is 'HSV'"),
        (
            {"PhotometricInterpretation": "RGB"},
            "SamplesPerPixel is '1'; this contradicts .* which is RGB",
        ),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, r"colour table .* missing .*as PNG"),
        ({"NumberOfFrames": 2}, r"\(0028,0008\) NumberOfFrames is '2'"),
        ({"Rows": 65535, "Columns": 65535}, "65535 by 65535"),
        ({"Rows": 0}, "2 by 0"),
        ({"BitsAllocated": 12}, "BitsAllocated is '12'; uncompressed pixels of 1, 8, 16"),
        ({"Rows": 3}, "has 4 bytes, and 2 by 3 pixels need 12"),
    ],
)
def test_refusals_name_what_was_received(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(RadiographError, match=message):
        shown([[0, 1]], **attributes)


@pytest.mark.parametrize(
    ("bits", "spelling"), [(8, "PALETTE COLOR"), (16, "PALETTE COLOR"), (16, "palette color ")]
)
def test_the_colours_of_a_palette_become_luma(bits: int, spelling: str) -> None:
    colors = np.zeros((6, 3), int)
    colors[1:4] = 255 * np.eye(3, dtype=int)
    colors[4] = 255
    tables: dict[str, Any] = {}
    for name, entries in zip(("Red", "Green", "Blue"), colors.T, strict=True):
        keyword = f"{name}PaletteColorLookupTable"
        tables[f"{keyword}Descriptor"] = [len(entries), 0, bits]
        wide = (entries * (257 if bits == 16 else 1)).astype(f"u{bits // 8}")
        tables[f"{keyword}Data"] = wide.tobytes() + bytes(wide.nbytes % 2)
    made = dataset(np.array([[0, 1, 2, 3, 4, 0]], np.uint8), **tables)
    made["PhotometricInterpretation"].value = spelling
    found = read_dicom(file_of(made))
    np.testing.assert_allclose(found, [[0, 0.299, 0.587, 0.114, 1, 0]], atol=1e-6)


@pytest.mark.parametrize("keyword", ["PixelData", "PhotometricInterpretation"])
def test_missing_elements_are_named(keyword: str) -> None:
    made = dataset([[0, 1]])
    delattr(made, keyword)
    with pytest.raises(RadiographError, match=f"{keyword} is missing"):
        read_dicom(file_of(made))


def test_a_deflated_bomb_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    made = dataset(np.zeros((100, 100), dtype=np.uint8))
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data = file_of(made)
    monkeypatch.setattr(decompression, "MAX_BYTES", 9_000)
    with pytest.raises(RadiographError, match="more than 9,000 bytes"):
        read_dicom(data)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_of_the_patient_leaves(caplog: pytest.LogCaptureFixture) -> None:
    made = dataset([[0, 1]], PatientID="Doe-1")
    for keyword in ("PatientBirthDate", "StudyDate", "PatientAge", "PatientSize", "SeriesNumber"):
        # Not valid for the type of any of these, which pydicom would warn of with the value
        made.add_new(keyword, "LO", "Doe" * 30)
    data = file_of(made)
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_dicom(data)
        with pytest.raises(RadiographError) as refused:
            read_dicom(data[:-1])
    said = [str(refused.value), repr(refused.value.__cause__), caplog.text]
    assert not any("Doe" in text for text in said + [str(warning.message) for warning in caught])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CT_small.dcm", "Modality is 'CT'"),
        ("MR_truncated.dcm", "Modality is 'MR'"),
        ("rtplan.dcm", "Modality is 'RTPLAN'"),
        ("SC_rgb_rle_2frame.dcm", "Modality is 'OT'"),
        ("examples_palette.dcm", "Modality is 'US'"),
        ("dicomdirtests/DICOMDIR", "index of a disc or folder. Choose one of the files"),
        ("test-SR.dcm", "Modality is 'SR'"),
    ],
)
def test_real_files_of_other_kinds_are_refused(name: str, message: str) -> None:
    data = (Path(pydicom.__file__).parent / "data/test_files" / name).read_bytes()
    with pytest.raises(RadiographError, match=message):
        read_dicom(data)
