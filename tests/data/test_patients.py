"""Whose radiographs are whose."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from cxr_gradcam.data.folders import list_source
from cxr_gradcam.data.patients import PatientRules, Patients, tell_patients


def patients_of(folder: Path, *names: str, **rules: object) -> Patients:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return tell_patients([list_source(folder)], PatientRules(**rules))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person12_bacteria_46.jpeg", "person12"),
        ("person12_virus_3.jpeg", "person12"),
        ("person1_virus_3.jpeg", "person1"),
        ("IM-0115-0001.jpeg", "IM-0115"),
        ("NORMAL2-IM-0115-0001-0002.jpeg", "NORMAL2-IM-0115"),
        ("00003392_019.jpg", "00003392"),
        ("patient00012_study1_view1.jpg", "patient00012"),
        ("CXR12_1_IM-0136-1001.png", "CXR12"),
        ("p10/p10000032/s50414267/02aa804e.jpg", "p10000032"),
        ("patient00012/study1/view1_frontal.jpg", "patient00012"),
        ("XR_CHEST/patient00011/study1_positive/image1.png", "patient00011"),
        ("sub-S03044/ses-E06160/mod-rx/chest.png", "sub-S03044"),
        ("Patient 7/1.png", "Patient 7"),
        ("P007/1.png", "P007"),
        ("NORMAL-1003233-0001.jpeg", "NORMAL-1003233"),
        ("VIRUS-1003233-0002.jpeg", "VIRUS-1003233"),
        ("Patient 12 (PA).png", "Patient 12"),
        ("subject-003_lateral.png", "subject-003"),
        ("subject_003/1.png", "subject_003"),
    ],
)
def test_the_usual_layouts_name_the_patient(tmp_path: Path, name: str, patient: str) -> None:
    assert patients_of(tmp_path, f"NORMAL/{name}").names == [patient]


def test_names_that_repeat_do_not_make_one_patient_of_many(tmp_path: Path) -> None:
    names = [f"NORMAL/{who}/IM-0001-0001.jpg" for who in ("anna", "berta", "cora")]
    assert patients_of(tmp_path, *names).names == ["anna", "berta", "cora"]


def test_many_folders_below_a_class_are_patients_and_few_are_not(tmp_path: Path) -> None:
    many = [f"NORMAL/{who}/{who}{view}.png" for who in range(100, 112) for view in "ab"]
    told = patients_of(tmp_path / "many", *many)
    assert len({*told.names}) == 12
    assert "12 patients with 24 X-rays, 2 each" in told.notes()[0]
    few = [f"NORMAL/{view}/{view}{number}.png" for view in ("AP", "PA") for number in range(8)]
    assert len({*patients_of(tmp_path / "few", *few).names}) == 16


def test_a_pattern_sees_the_path_below_the_source(tmp_path: Path) -> None:
    names = ("NORMAL/x7/a.png", "NORMAL/x7/b.png", "NORMAL/x8/a.png", "PNEUMONIA/c.png")
    told = patients_of(tmp_path, *names, pattern=r"^NORMAL/(x\d)/")
    assert told.names == ["x7", "x7", "x8", "pneumonia/c.png"]
    assert told.notes()[1].startswith("warning: images taken for a patient of their own: 1.")


def test_a_pattern_may_be_of_the_file_name_alone(tmp_path: Path) -> None:
    told = patients_of(tmp_path, "N/ab_1.png", "N/ab_2.png", pattern=r"^([a-z]+)_")
    assert told.names == ["ab", "ab"]


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_a_pattern_that_names_no_patient_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        patients_of(tmp_path, "N/no group.png", pattern=pattern)


def test_every_image_of_its_own_is_a_warning(tmp_path: Path) -> None:
    told = patients_of(tmp_path, "N/a.png", "P/a.png", "P/b.png")
    assert told.names == ["n/a.png", "p/a.png", "p/b.png"]
    note, warning = told.notes()
    assert "3 patients with 3 X-rays, 1 each" in note
    assert warning.startswith("warning: every image is taken for a patient of its own")
    assert "--patients CSV or --patient-pattern" in warning


def test_a_pattern_that_takes_each_image_for_a_patient_is_warned_of(tmp_path: Path) -> None:
    told = patients_of(tmp_path, "N/a.png", "N/b.png", pattern=r"(\w)\.png")
    assert any(note.startswith("warning: every image") for note in told.notes())


TABLES = {
    "names": "image,patient\na.png,7\nb.png,7\nc.png,8\n",
    "paths": "Path,Patient ID\nNORMAL/a.png,7\nNORMAL/deep/b.png,7\ndata/PNEUMONIA/c.png,8\n",
    "stems": "dicom_id,subject_id\na,7\nb,7\nc,8\n",
    "PadChest": "ImageID,ImageDir,PatientID\nA.PNG,1,7\nB.PNG,1,7\nC.PNG,2,8\n",
    "other formats": "image_path;patient_nr\nx/a.dcm;7\nx/b.dcm.gz;7\nx/c.jpg;8\n",
    "longer paths": "Path\tMRN\nold/NORMAL/a.png\t7\nold/deep/b.png\t7\nold/c.png\t8\n",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_a_table_comes_first(tmp_path: Path, text: str) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text)
    names = ("NORMAL/a.png", "NORMAL/deep/b.png", "PNEUMONIA/c.png", "PNEUMONIA/person3_1.png")
    told = patients_of(tmp_path / "data", *names, table=table)
    assert told.names == ["7", "7", "8", "person3"]
    assert "2 patients" not in told.notes()[0]
    assert "the table (3 X-rays), file names as in Kermany" in told.notes()[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,who\na.png,7\n", "needs the columns image and patient, and has file, who"),
        ("image,patient\na.png,\n", "line 2 .* lacks its image or its patient"),
        ("image,patient\na.png,7\na.png,8\n", "line 3 .* names another patient for a.png"),
        ("image,patient\nview1.png,7\n", "view1.png, which may be .*x/view1.png or .*y/view1.png"),
        ("image,patient\nq/a.png,7\nr/a.png,8\n", "q/a.png and r/a.png, of different patients"),
        ("image,patient\nother.png,7\n", "names none of these X-rays: its first .* other.png"),
    ],
)
def test_a_table_that_does_not_tell_is_refused(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text)
    with pytest.raises(ValueError, match=message):
        patients_of(tmp_path / "data", "N/a.png", "N/x/view1.png", "N/y/view1.png", table=table)


def write_dicom(path: Path, patient: str, syntax: UID = ExplicitVRLittleEndian) -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    dataset.PatientID = patient
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_compressed_dicom_files_name_their_patient(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    write_dicom(tmp_path / "whole.dcm", "MRN 42")
    data = (tmp_path / "whole.dcm").read_bytes()
    (tmp_path / "N").mkdir()
    (tmp_path / "N" / "1.dcm.gz").write_bytes(compress(data))
    (tmp_path / "N" / "2.dcm").write_bytes(data[132:])  # without preamble
    assert patients_of(tmp_path).names == ["MRN 42", "MRN 42"]


def test_deflated_dicom_files_name_their_patient(tmp_path: Path) -> None:
    write_dicom(tmp_path / "N" / "1.dcm", "MRN 42", DeflatedExplicitVRLittleEndian)
    data = (tmp_path / "N" / "1.dcm").read_bytes()
    start = 132 + 12 + int.from_bytes(data[140:144], "little")
    plain = zlib.decompress(data[start:], -zlib.MAX_WBITS)
    (tmp_path / "N" / "2.dcm").write_bytes(data[:start] + zlib.compress(plain))
    assert patients_of(tmp_path).names == ["MRN 42", "MRN 42"]


def test_dicom_files_name_their_patient(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    write_dicom(tmp_path / "N" / "1.dcm", "MRN 42")
    write_dicom(tmp_path / "N" / "2.dcm", "MRN 42")
    write_dicom(tmp_path / "N" / "3.dcm", "Anonymous")
    write_dicom(tmp_path / "N" / "4.dcm", "x" * 80)  # too long, which pydicom warns of
    told = patients_of(tmp_path)
    assert told.names == ["MRN 42", "MRN 42", "n/3.dcm", "x" * 80]
    said = " ".join([*told.notes(), *capsys.readouterr(), *(str(each) for each in recwarn.list)])
    assert "MRN" not in said
    assert "xxx" not in said
