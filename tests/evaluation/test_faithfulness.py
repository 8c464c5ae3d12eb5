"""Faithfulness: pixels that go and come in order, and maps that must not outlive the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.cam.methods import QUICK_METHODS
from cxr_gradcam.evaluation.faithfulness import (
    CASCADE,
    STEPS,
    deletion_insertion,
    measure_faithfulness,
    measure_sanity,
    rank_correlation,
)
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.synthetic.chest import draw_phantom


@pytest.fixture(scope="module")
def small() -> ResNet50FineTuned:
    torch.manual_seed(0)
    network = ResNet50FineTuned(2, enable_gradcam=True, weights=None).eval()
    network.preprocessing = Preprocessing(64)
    return network


@pytest.fixture(scope="module")
def radiographs() -> list[Radiograph]:
    return [Radiograph(draw_phantom(seed, size=64).pixels) for seed in (1, 2)]


def test_pixels_go_and_come_in_order() -> None:
    x = torch.rand(1, 3, 8, 4) + 1
    order = np.random.default_rng(0).permutation(32)
    deleted, inserted = deletion_insertion(x, order)
    assert deleted.shape == inserted.shape == (STEPS + 1, 3, 8, 4)
    torch.testing.assert_close(deleted[0], x[0])
    torch.testing.assert_close(inserted[-1], x[0])
    assert (deleted[-1] == 0).all()
    gone = deleted[1, 0].flatten() == 0
    assert set(gone.nonzero()[:, 0].tolist()) == set(order[:2].tolist())
    back = inserted[1, 0].flatten() == x[0, 0].flatten()
    assert set(order[:2].tolist()) <= set(back.nonzero()[:, 0].tolist())
    assert not torch.equal(inserted[0], x[0])


def test_rank_correlation_by_hand() -> None:
    first = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert rank_correlation(first, first**3) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    # 1 - 6 * (1 + 1) / (4 * 15)
    swapped = np.array([[2.0, 1.0], [3.0, 4.0]])
    assert rank_correlation(first, swapped) == pytest.approx(0.8)
    assert rank_correlation(first, np.zeros((2, 2))) == 0


def test_every_quick_method_and_chance_are_measured(
    small: ResNet50FineTuned, radiographs: list[Radiograph]
) -> None:
    rows = measure_faithfulness(small, radiographs)
    assert [row["method"] for row in rows] == [*QUICK_METHODS, "chance"]
    assert all(row["cases"] == 2 for row in rows)
    assert all(0 <= row[name]["value"] <= 1 for row in rows for name in ("deletion", "insertion"))


def test_the_cascade_leaves_the_model_as_it_was(
    small: ResNet50FineTuned, radiographs: list[Radiograph]
) -> None:
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    state = torch.get_rng_state()
    rows = measure_sanity(small, radiographs)
    assert torch.equal(torch.get_rng_state(), state)
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert set(rows[0]) == {"method", "cases", *CASCADE}
    eigencam = next(row for row in rows if row["method"] == "eigencam")
    assert eigencam["fc"]["value"] == pytest.approx(1)  # it does not ask the head
    assert eigencam["layer4"]["value"] < 0.99
