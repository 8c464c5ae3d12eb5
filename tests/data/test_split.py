"""The split: whole patients, by their names alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cxr_gradcam.data.held_out import held_out_patients
from cxr_gradcam.data.labels import Doubt
from cxr_gradcam.data.split import Sources, Split, split_by_patient


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1), st.floats(0, 1), st.integers(0, 99))
def test_no_patient_stands_on_both_sides(patients: list[str], share: float, seed: int) -> None:
    held_out = held_out_patients(patients, share, seed)
    names = np.asarray(patients)
    assert not set(names[held_out]) & set(names[~held_out])
    assert held_out.all() or share < 1
    assert not held_out.any() or share > 0


@given(st.lists(st.text(max_size=5), min_size=1), st.lists(st.text(max_size=5)), st.integers(0, 99))
def test_no_other_patient_moves_one_to_the_other_side(
    patients: list[str], others: list[str], seed: int
) -> None:
    alone = held_out_patients(patients, 0.5, seed)
    together = held_out_patients([*others, *patients], 0.5, seed)
    assert together[len(others) :].tolist() == alone.tolist()


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_about_the_share_is_chosen_and_seeds_differ(share: float) -> None:
    names = [f"person{number}" for number in range(10_000)]
    first, second = (held_out_patients(names, share, seed) for seed in (0, 1))
    assert first.mean() == pytest.approx(share, abs=0.02)
    assert (first & second).mean() == pytest.approx(share**2, abs=0.02)


def test_other_pictures_are_no_unfinished_run(data: Path) -> None:
    first = split_by_patient(Sources([data]), 0.5, 0)
    assert first.digest() == split_by_patient(Sources([data]), 0.5, 0).digest()
    assert first.digest() != split_by_patient(Sources([data]), 0.5, 1).digest()
    assert first.digest() != split_by_patient(Sources([], noisy=[data]), 0.5, 0).digest()


def test_sources_of_different_classes_are_refused(data: Path, tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "1.png")
    with pytest.raises(ValueError, match="Cats, Dogs against Normal, Pneumonia"):
        split_by_patient(Sources([data, tmp_path]), 0.5, 0)


def test_two_folders_of_one_name_are_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / data.name).symlink_to(data)
    with pytest.raises(ValueError, match=f"two folders are called '{data.name}'"):
        split_by_patient(Sources([data], noisy=[tmp_path / data.name]), 0.5, 0)


@pytest.fixture
def adults(tmp_path: Path) -> Path:
    """One picture per patient; a table beside the class folders says what was read."""
    folder = tmp_path / "adults"
    rows = ["image,age,view,read"]
    for name, reads in (
        ("NORMAL", ["normal", "Lung Opacity", ""]),
        ("PNEUMONIA", ["lung opacity", "normal", "no lung opacity, not normal", ""]),
    ):
        (folder / name).mkdir(parents=True)
        for read in reads:
            for number in range(8):
                file = f"{len(rows):08d}_{number}.png"
                Image.new("L", (8, 8), len(rows)).save(folder / name / file)
                rows.append(f'{name}/{file},{30 + 20 * (number % 3)},PA,"{read}"')
    (folder / "reads.csv").write_text("\n".join(rows))
    return folder


def test_reads_correct_and_drop_labels(adults: Path) -> None:
    split = split_by_patient(Sources([adults], reads=[adults / "reads.csv"]), 0.5, 0)
    assert len(split.paths) == 32  # those read as something else, and those not read, are gone
    assert set(split.doubts.tolist()) == {Doubt.NONE}
    corrected = {
        (path.parent.name, label)
        for path, label in zip(split.paths, split.labels.tolist(), strict=True)
    }
    assert corrected == {("NORMAL", 0), ("NORMAL", 1), ("PNEUMONIA", 0), ("PNEUMONIA", 1)}
    assert split.labels.sum() == 16


def test_doubtful_labels_may_train_but_never_validate(adults: Path) -> None:
    sources = Sources([adults], reads=[adults / "reads.csv"])
    kept = split_by_patient(sources, 0.5, 0, kept={Doubt.OTHER, Doubt.UNREAD})
    assert set(kept.doubts[~kept.held_out].tolist()) == {Doubt.NONE, Doubt.OTHER, Doubt.UNREAD}
    assert set(kept.doubts[kept.held_out].tolist()) == {Doubt.NONE}
    assert set(kept.labels[kept.doubts == Doubt.OTHER].tolist()) == {0}
    unread = {
        (kept.paths[index].parent.name, int(kept.labels[index]))
        for index in (kept.doubts == Doubt.UNREAD).nonzero()[:, 0].tolist()
    }
    assert unread == {("NORMAL", 0), ("PNEUMONIA", 1)}  # as their folders say
    assert kept.digest() != split_by_patient(sources, 0.5, 0).digest()


def test_another_table_is_another_split(adults: Path) -> None:
    table = adults / "reads.csv"
    before = split_by_patient(Sources([adults], reads=[table]), 0.5, 0).digest()
    table.write_text(table.read_text().replace('"normal"', '"lung opacity"', 1))
    assert split_by_patient(Sources([adults], reads=[table]), 0.5, 0).digest() != before


def test_projection_and_age_make_the_strata(adults: Path) -> None:
    split = split_by_patient(Sources([adults], reads=[adults / "reads.csv"]), 0.5, 0)
    assert set(split.strata.tolist()) == {4, 5, 6}  # PA, and the three age groups
    assert not split_by_patient(Sources([adults]), 0.5, 0).strata.any()


def test_patients_may_be_left_out(data: Path, tmp_path: Path) -> None:
    table = tmp_path / "left-out.csv"
    table.write_text("patient\nN0.png\nP3.png\n")
    split = split_by_patient(Sources([data], left_out=table), 0.5, 0)
    assert {"N0.png", "P3.png"} & {path.name for path in split.paths} == set()
    assert len(split.paths) == 14


def test_copies_of_what_is_left_out_are_left_out(data: Path, tmp_path: Path) -> None:
    table = tmp_path / "left-out.csv"
    table.write_text("patient\nN0.png\n")
    shutil.copytree(data, tmp_path / "again")
    (tmp_path / "again" / "NORMAL" / "N0.png").rename(tmp_path / "again" / "NORMAL" / "x.png")
    split = split_by_patient(Sources([data, tmp_path / "again"], left_out=table), 0.5, 0)
    assert {"N0.png", "x.png"} & {path.name for path in split.paths} == set()
    assert len(split.paths) == 30


def test_two_folders_may_be_one_source_and_one_may_lack_a_class(data: Path, tmp_path: Path) -> None:
    healthy = tmp_path / "healthy"
    (healthy / "normal").mkdir(parents=True)
    for number in range(4):
        Image.new("L", (8, 8), 100).save(healthy / "normal" / f"{number}.png")
    joined = split_by_patient(Sources([Path(f"{data}+{healthy}")]), 0.5, 0)
    assert joined.sources == (f"{data.name}+healthy",)
    assert (len(joined.paths), int(joined.labels.sum())) == (20, 8)
    beside = split_by_patient(Sources([healthy, data]), 0.5, 0)
    assert beside.class_names == ("Normal", "Pneumonia")
    assert beside.labels[beside.source_of == 0].tolist() == [0] * 4


def test_the_patients_of_the_bundled_weights_stay_where_they_are() -> None:
    validating = ["person1001", "person1006", "IM-0122", "NORMAL2-IM-0388", "00000043", "00000051"]
    training = ["person1000", "person1002", "IM-0115", "NORMAL2-IM-0383", "00000005", "00000057"]
    sides = held_out_patients([*validating, *training], 0.12, 0)
    assert sides.tolist() == [True] * 6 + [False] * 6


def write(folder: Path, name: str, seed: int) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(pixels).save(folder / name)


def names_of(split: Split, held_out: bool) -> list[str]:
    chosen = zip(split.files, split.held_out.tolist(), strict=True)
    return sorted(file.below_source for file, side in chosen if side == held_out)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Parts for training and validation; person3 lies in both."""
    files = {
        "train/NORMAL": (1, 2, 3),
        "train/COVID": (11, 12),
        "val/NORMAL": (3, 4),
        "val/COVID": (13,),
        "test/NORMAL": (5,),
        "test/COVID": (15,),
    }
    for folder, patients in files.items():
        for patient in patients:
            name = f"{folder}/person{patient}_{folder[0]}.png"
            write(tmp_path / "root", name, len(folder) * 100 + patient)
    return tmp_path / "root"


def test_the_part_for_validation_validates(root: Path) -> None:
    split = split_by_patient(Sources([root]), 0.5, 0)
    assert names_of(split, True) == [
        "val/COVID/person13_v.png",
        "val/NORMAL/person3_v.png",
        "val/NORMAL/person4_v.png",
    ]
    assert names_of(split, False) == [
        "train/COVID/person11_t.png",
        "train/COVID/person12_t.png",
        "train/NORMAL/person1_t.png",
        "train/NORMAL/person2_t.png",
    ]
    assert any("2 for test (not used)" in note for note in split.notes)
    assert any(
        note.startswith("warning: 1 X-rays of the part for training") for note in split.notes
    )


def test_a_patient_of_a_part_stands_on_its_side_in_other_sources_too(
    root: Path, tmp_path: Path
) -> None:
    for patient in (1, 4, 11, 13):
        kind = "NORMAL" if patient < 10 else "COVID"
        write(tmp_path / "more", f"{kind}/person{patient}_again.png", 900 + patient)
    for share in (0.01, 0.99):
        split = split_by_patient(Sources([root, tmp_path / "more"]), share, 0)
        again = [name for name in names_of(split, True) if "again" in name]
        assert again == ["COVID/person13_again.png", "NORMAL/person4_again.png"]


def test_the_finding_is_told_by_names_and_not_by_their_order(root: Path) -> None:
    split = split_by_patient(Sources([root]), 0.5, 0)
    assert (split.class_names, split.finding, split.absence) == (("Covid", "Normal"), "Covid", 1)
    assert "note: the finding is Covid (of the classes Covid, Normal)" in split.notes


def test_a_finding_that_names_do_not_tell_is_asked_for(tmp_path: Path) -> None:
    for patient in range(4):
        write(tmp_path, f"cats/{patient}.png", patient)
        write(tmp_path, f"dogs/{patient}.png", 50 + patient)
    with pytest.raises(ValueError, match=r"Cats, Dogs do not tell: name it by --finding"):
        split_by_patient(Sources([tmp_path]), 0.5, 0)
    split = split_by_patient(Sources([tmp_path], finding="dogs"), 0.5, 0)
    assert (split.finding, split.absence) == ("Dogs", 0)


def test_of_three_classes_each_that_is_not_normal_is_a_finding(tmp_path: Path) -> None:
    for patient in range(4):
        for number, name in enumerate(("bacteria", "normal", "virus")):
            write(tmp_path, f"{name}/{patient}.png", 50 * number + patient)
    split = split_by_patient(Sources([tmp_path]), 0.5, 0)
    assert (split.finding, split.absence) == (None, 1)
    assert "note: each of Bacteria, Virus is a finding" in split.notes


def test_reads_correct_labels_whatever_the_order_of_the_classes(adults: Path) -> None:
    (adults / "PNEUMONIA").rename(adults / "COVID")
    table = adults / "reads.csv"
    table.write_text(table.read_text().replace("PNEUMONIA/", "COVID/"))
    split = split_by_patient(Sources([adults], reads=[table]), 0.5, 0)
    assert (split.class_names, split.finding) == (("Covid", "Normal"), "Covid")
    assert int((split.labels == 0).sum()) == 16  # those that were read as an opacity


def test_a_class_of_few_patients_stands_on_both_sides_wherever_it_can(tmp_path: Path) -> None:
    for patient in range(40):
        write(tmp_path, f"normal/{patient}.png", patient)
    for patient in range(2):
        write(tmp_path, f"rare/{patient}.png", 100 + patient)
    for seed in range(8):
        split = split_by_patient(Sources([tmp_path]), 0.1, seed)
        assert len([name for name in names_of(split, True) if name.startswith("rare")]) == 1


def test_names_that_repeat_in_other_folders_are_other_lines_of_the_digest(tmp_path: Path) -> None:
    for patient in range(12):
        kind = ("normal", "ill")[patient % 2]
        write(tmp_path, f"{kind}/patient{patient}/study1/view1.png", patient)
    digests = {split_by_patient(Sources([tmp_path]), 0.5, seed).digest() for seed in range(6)}
    assert len(digests) == 6
