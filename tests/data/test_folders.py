"""Names of files: whose picture it is, and of which kind."""

from __future__ import annotations

import pytest

from cxr_gradcam.data.folders import image_folder, kind_of, patient_of


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person12_bacteria_46.jpeg", "person12"),
        ("person12_virus_3.jpeg", "person12"),
        ("person1_virus_3.jpeg", "person1"),
        ("IM-0115-0001.jpeg", "IM-0115"),
        ("NORMAL2-IM-0115-0001-0002.jpeg", "NORMAL2-IM-0115"),
        ("00003392_019.jpg", "00003392"),
        ("scan.png", "scan.png"),
    ],
)
def test_a_file_name_names_its_patient(name: str, patient: str) -> None:
    assert patient_of(name) == patient


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_a_pattern_that_names_no_patient_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="regular expression"):
        patient_of("no group", pattern)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("person1_virus_6.jpeg", "virus"), ("person1_bacteria_6.jpeg", "bacteria"), ("x.png", None)],
)
def test_a_file_name_names_its_kind(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


def test_what_systems_leave_behind_is_neither_file_nor_class(tmp_path):
    for name in ("a/1.png", "b/2.dcm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for left in (
        *("a/Thumbs.db", "a/.DS_Store", "a/._1.png", "b/desktop.ini", "b/.cache/3.png"),
        *(".ipynb_checkpoints/1.png", "__MACOSX/a/1.png", "b/@eaDir/4.png"),
    ):
        (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / left).touch()
    listed = image_folder(tmp_path)
    assert listed.classes == ["a", "b"]
    assert [path for path, _ in listed.samples] == [
        str(tmp_path / name) for name in ("a/1.png", "b/2.dcm")
    ]
