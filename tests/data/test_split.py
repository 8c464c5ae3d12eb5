"""The split: whole patients, by their names alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cxr_gradcam.data.split import held_out_patients, split_by_patient


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
    first = split_by_patient([data], [], 0.5, 0)
    assert first.digest() == split_by_patient([data], [], 0.5, 0).digest()
    assert first.digest() != split_by_patient([data], [], 0.5, 1).digest()
    assert first.digest() != split_by_patient([], [data], 0.5, 0).digest()


def test_sources_of_different_classes_are_refused(data: Path, tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "1.png")
    with pytest.raises(ValueError, match="Cats, Dogs against Normal, Pneumonia"):
        split_by_patient([data, tmp_path], [], 0.5, 0)


def test_two_folders_of_one_name_are_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / data.name).symlink_to(data)
    with pytest.raises(ValueError, match=f"two folders are called '{data.name}'"):
        split_by_patient([data], [tmp_path / data.name], 0.5, 0)
