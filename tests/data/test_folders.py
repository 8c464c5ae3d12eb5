"""Folders: which files count, and to which class and part they belong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_gradcam.data.folders import (
    files_for_test,
    files_for_training,
    folder_notes,
    list_source,
    source_names,
)
from cxr_gradcam.data.parts import Part, part_of
from cxr_gradcam.data.selection import kind_of

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make empty files in a folder."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def below(files: list) -> list[str]:
    return [file.below_source for file in files]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("person1_virus_6.jpeg", "virus"), ("person1_bacteria_6.jpeg", "bacteria"), ("x.png", None)],
)
def test_a_file_name_names_its_kind(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


def test_what_systems_leave_behind_is_neither_file_nor_class(make: Make) -> None:
    folder = make(
        *("a/1.png", "b/2.dcm"),
        *("a/Thumbs.db", "a/.DS_Store", "a/._1.png", "b/desktop.ini", "b/.cache/3.png"),
        *(".ipynb_checkpoints/1.png", "__MACOSX/a/1.png", "b/@eaDir/4.png", "b/DICOMDIR"),
    )
    files = list_source(folder)
    assert below(files) == ["a/1.png", "b/2.dcm"]
    assert [file.class_name for file in files] == ["a", "b"]
    assert [file.path for file in files] == [folder / "a/1.png", folder / "b/2.dcm"]


def test_each_place_counts_once_in_a_class(make: Make) -> None:
    folder = make("a/1.png", "a/deep/2.png", "b/3.png")
    (folder / "a" / "again").symlink_to(folder / "a", target_is_directory=True)
    (folder / "a" / "deep" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "b" / "same.png").symlink_to(folder / "b" / "3.png")
    (folder / "b" / "other").symlink_to(folder / "a" / "deep", target_is_directory=True)
    assert below(list_source(folder)) == ["a/1.png", "a/deep/2.png", "b/3.png", "b/other/2.png"]


def test_a_class_folder_may_be_a_link_and_a_link_to_nothing_is_refused(
    make: Make, tmp_path: Path
) -> None:
    make("elsewhere/1.png", "data/b/2.png")
    (tmp_path / "data" / "a").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert below(list_source(tmp_path / "data")) == ["a/1.png", "b/2.png"]
    (tmp_path / "data" / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(FileNotFoundError, match=r"gone\.png is a link to .*nowhere\.png"):
        list_source(tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *[(name, Part.TRAINING) for name in ("train", "Training", "TRAIN", "train_set", "trn")],
        *[(name, Part.TRAINING) for name in ("stage_2_train_images", "01_train", "train2")],
        *[(name, Part.VALIDATION) for name in ("images_val", "chest-xray-dev", "VALIDATION 1")],
        *[(name, Part.VALIDATION) for name in ("val", "valid", "Validation", "dev", "val-data")],
        *[(name, Part.TEST) for name in ("test", "Testing", "test images", "held-out")],
        *[(name, None) for name in ("NORMAL", "trained", "control", "attest", "test positive")],
        *[(name, None) for name in ("positive_test", "images", "train_test", "images_001", "12")],
    ],
)
def test_names_of_parts(name: str, part: Part | None) -> None:
    assert part_of(name) is part


ROOT = ("train/N/1.png", "train/P/2.png", "val/N/3.png", "test/N/4.png", "test/P/5.png")


@pytest.mark.parametrize("names", [ROOT, tuple(name.title() for name in ROOT)])
def test_the_parts_of_a_root_are_used_as_what_they_are(make: Make, names: tuple[str, ...]) -> None:
    root = make(*names)
    trained = files_for_training(root)
    assert [(file.part, file.class_name) for file in trained] == [
        (Part.TRAINING, "N"),
        (Part.TRAINING, "P"),
        (Part.VALIDATION, "N"),
    ]
    assert [file.class_name for file in files_for_test(root)] == ["N", "P"]
    assert [file.below_class.lower() for file in files_for_test(root)] == ["4.png", "5.png"]
    assert folder_notes([(root, "mine", trained)]) == [
        "note: mine is divided into parts; X-rays: 2 for training, 1 for validation, "
        "2 for test (not used)"
    ]


def test_a_root_may_lie_in_the_folder_that_an_archive_unpacked(make: Make) -> None:
    root = make(*(f"chest_xray/{name}" for name in ROOT), "__MACOSX/chest_xray/._train")
    assert len(files_for_training(root)) == 3


def test_class_folders_may_lie_in_folders_that_an_archive_unpacked(make: Make) -> None:
    root = make("chest/CXR/NORMAL/1.png", "chest/CXR/TB/2.png")
    assert [file.class_name for file in files_for_training(root)] == ["NORMAL", "TB"]
    alone = make("patients/NORMAL/a1/1.png", "patients/NORMAL/a2/2.png") / "patients"
    assert {file.class_name for file in files_for_training(alone)} == {"NORMAL"}


@pytest.mark.parametrize("names", [("fold1", "fold2"), ("AP", "PA"), ("site A", "site B", "C")])
def test_folders_that_each_hold_classes_are_no_classes(make: Make, names: tuple[str, ...]) -> None:
    folder = make(*(f"{name}/{kind}/1.png" for name in names for kind in ("Normal", "TB")))
    with pytest.raises(ValueError, match=r"each of them holds class folders .* as one, as .*\+"):
        files_for_training(folder)


def test_class_folders_may_hold_the_parts(make: Make) -> None:
    root = make("N/train/1.png", "N/test/2.png", "P/train/3.png", "P/test/4.png")
    assert [(file.class_name, file.below_class) for file in files_for_training(root)] == [
        ("N", "1.png"),
        ("P", "3.png"),
    ]
    assert below(files_for_test(root)) == ["N/test/2.png", "P/test/4.png"]


def test_a_root_without_the_part_that_is_needed_is_refused(make: Make) -> None:
    with pytest.raises(ValueError, match=r"no part for test \(it has training\).*train"):
        files_for_test(make("train/N/1.png", "train/P/2.png"))
    with pytest.raises(ValueError, match=r"no part for training \(it has test"):
        files_for_training(make("other/test/N/1.png") / "other")


def test_a_class_that_is_called_as_a_part_stays_a_class(make: Make) -> None:
    folder = make("control/1.png", "test/2.png")
    assert [file.class_name for file in files_for_training(folder)] == ["control", "test"]


def test_parts_beside_classes_are_refused(make: Make) -> None:
    folder = make("train/N/1.png", "test/N/2.png", "extra/3.png")
    with pytest.raises(ValueError, match="test, train beside extra: it is not clear"):
        list_source(folder)


def test_masks_are_no_radiographs(make: Make) -> None:
    folder = make("COVID/images/1.png", "COVID/masks/1.png", "NORMAL/images/2.png")
    used = files_for_training(folder)
    assert below(used) == ["COVID/images/1.png", "NORMAL/images/2.png"]
    assert folder_notes([(folder, "mine", used)]) == [
        "note: mine has folders of masks; files left out: 1"
    ]


def test_folders_that_cannot_be_used_say_what_to_do(make: Make) -> None:
    folder = make("flat/1.png", "empty/a/1.png", "data.zip")
    (folder / "empty" / "b").mkdir()
    with pytest.raises(FileNotFoundError, match="no class folders: put its radiographs into one"):
        list_source(folder / "flat")
    with pytest.raises(FileNotFoundError, match="b holds no file: fill it"):
        list_source(folder / "empty")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*gone"):
        list_source(folder / "gone")
    with pytest.raises(NotADirectoryError, match=r"data\.zip is a file.*unpack"):
        list_source(folder / "data.zip")


def test_sources_are_named_by_what_is_given_or_by_their_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    both = Path(f"{tmp_path / 'a'}+{tmp_path / 'b'}")
    assert source_names([tmp_path / "a", both, Path(f"mine={tmp_path / 'b'}")]) == (
        "a",
        "a+b",
        "mine",
    )
