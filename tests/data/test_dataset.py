"""The data of a training: the split by patient, and how often each picture is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cxr_gradcam.data.dataset import (
    LabelledImages,
    held_out_patients,
    load,
    sampling_weights,
    split_by_patient,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight patients of each class, one grey picture each."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("NORMAL", "PNEUMONIA"):
        (folder / name).mkdir()
        for patient in range(8):
            Image.new("L", (16, 16), patient).save(folder / name / f"{name[0]}{patient}.png")
    return folder


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


def test_phantoms_come_last_with_their_masks(data: Path) -> None:
    split = split_by_patient([data], [], 0.5, 0)
    training, validation = load(split, 64, 8, 0.25)
    trains = int((~split.held_out).sum())
    assert len(training) == trains + 6
    assert len(validation) == 16 - trains + 2
    assert training.source_of.tolist() == [0] * trains + [1] * 6
    has_lesion = training.masks.flatten(1).any(dim=1).long()
    assert has_lesion.tolist() == training.labels[-6:].tolist()


def test_pictures_are_given_with_their_masks() -> None:
    images = torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1) * 51
    masks = torch.full((1, 1, 1, 1), 255, dtype=torch.uint8)
    data = LabelledImages(images, torch.zeros(3), torch.zeros(3), masks)
    given = data.with_masks(torch.tensor([2, 0]))
    torch.testing.assert_close(given[:, :, 0, 0], torch.tensor([[0.4, 1.0], [0.0, 0.0]]))


def test_draw_shares_by_hand() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1])
    source_of = torch.tensor([0, 0, 0, 0, 1])
    # sources by the root of their 4 and 1 pictures: 2/3 and 1/3; the first halved by class
    expected = torch.tensor([1 / 9, 1 / 9, 1 / 9, 1 / 3, 1 / 3], dtype=torch.float64)
    torch.testing.assert_close(sampling_weights(labels, source_of), expected)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=60))
def test_a_source_tells_nothing_of_the_class(pictures: list[tuple[int, int]]) -> None:
    labels, source_of = (torch.tensor(column) for column in zip(*pictures, strict=True))
    shares = sampling_weights(labels, source_of)
    assert shares.sum().item() == pytest.approx(1)
    for source in source_of.unique():
        members = source_of == source
        classes = labels[members].unique()
        for label in classes:
            share = shares[members & (labels == label)].sum() / shares[members].sum()
            assert share.item() == pytest.approx(1 / len(classes))
