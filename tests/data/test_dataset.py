"""The data of a training: phantoms with their masks, and how often each picture is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cxr_gradcam.data.dataset import MAX_FACTOR, LabelledImages, load, sampling_weights
from cxr_gradcam.data.split import Sources, split_by_patient


def test_phantoms_come_last_with_their_masks(data: Path) -> None:
    split = split_by_patient(Sources([data]), 0.5, 0)
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
    none = torch.zeros(3, dtype=torch.long)
    data = LabelledImages(images, none, none, masks, none, none)
    given = data.with_masks(torch.tensor([2, 0]))
    torch.testing.assert_close(given[:, :, 0, 0], torch.tensor([[0.4, 1.0], [0.0, 0.0]]))


def test_draw_shares_by_hand() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1])
    source_of = torch.tensor([0, 0, 0, 0, 1])
    # sources by the root of their 4 and 1 pictures: 2/3 and 1/3; the first halved by class
    expected = torch.tensor([1 / 9, 1 / 9, 1 / 9, 1 / 3, 1 / 3], dtype=torch.float64)
    none = torch.zeros(5, dtype=torch.long)
    torch.testing.assert_close(sampling_weights(labels, source_of, none), expected)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=60))
def test_a_source_tells_nothing_of_the_class(pictures: list[tuple[int, int]]) -> None:
    labels, source_of = (torch.tensor(column) for column in zip(*pictures, strict=True))
    shares = sampling_weights(labels, source_of, torch.zeros_like(labels))
    assert shares.sum().item() == pytest.approx(1)
    for source in source_of.unique():
        members = source_of == source
        classes = labels[members].unique()
        for label in classes:
            share = shares[members & (labels == label)].sum() / shares[members].sum()
            assert share.item() == pytest.approx(1 / len(classes))


def test_projection_and_age_tell_less_of_the_class() -> None:
    labels = torch.tensor([0] * 100 + [1] * 100)
    strata = torch.tensor([1] * 60 + [2] * 40 + [1] * 30 + [2] * 70)
    weights = sampling_weights(labels, torch.zeros_like(labels), strata)
    share = [
        float(weights[(labels == label) & (strata == 1)].sum() / weights[labels == label].sum())
        for label in (0, 1)
    ]
    assert share == pytest.approx([0.45, 0.45])


def test_a_rare_stratum_is_not_drawn_over_and_over() -> None:
    labels = torch.tensor([0] * 100 + [1] * 100)
    strata = torch.tensor([1] * 99 + [2] + [1] + [2] * 99)
    weights = sampling_weights(labels, torch.zeros_like(labels), strata)
    assert weights.max() / weights.min() <= MAX_FACTOR**2 + 1e-9
