"""Steadiness under small changes: how far answers and maps move."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxr_gradcam import examine
from cxr_gradcam.explanation.steadiness import (
    STEADY,
    UNSTEADY,
    SmallChange,
    Steadiness,
    overlap,
    similarity,
    small_changes,
)
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.preprocessing import Preprocessing


def spot(height: int = 96, width: int = 128) -> np.ndarray:
    """Dark, with one bright spot right of the middle."""
    rows, columns = np.mgrid[:height, :width]
    bright = np.exp(-((rows - 0.4 * height) ** 2 + (columns - 0.7 * width) ** 2) / 40)
    return (0.2 + 0.6 * bright).astype(np.float32)


@pytest.fixture(scope="module")
def changes() -> list[SmallChange]:
    return small_changes(spot())


def test_sixteen_small_changes_have_names_and_stay_in_range(changes: list[SmallChange]) -> None:
    assert len({change.name for change in changes}) == 16
    for change in changes:
        assert change.pixels.shape == (96, 128)
        assert change.pixels.dtype == np.float32
        assert 0 <= change.pixels.min() < change.pixels.max() <= 1
        assert 0.001 < np.abs(change.pixels - spot()).max() < 0.7
    again = small_changes(spot())
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(changes, again, strict=True))


def test_a_place_moves_as_the_matrix_says(changes: list[SmallChange]) -> None:
    place = np.array([(0.7 * 128 + 0.5) / 128, (0.4 * 96 + 0.5) / 96, 1])
    for change in changes[:12]:  # noise aside
        row, column = np.unravel_index(change.pixels.argmax(), change.pixels.shape)
        x, y, _ = change.matrix @ place
        assert (x * 128 - 0.5, y * 96 - 0.5) == pytest.approx((column, row), abs=1.01), change.name
    moved = [change for change in changes if not np.allclose(change.matrix, np.eye(3))]
    assert len(moved) == 8


class BrightPlaces(nn.Module):
    """Its last features are the grey values, so that its map is hottest at the bright spot."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(1, 2, 1, bias=False)
        self.head = nn.Linear(2, 2)
        nn.init.constant_(self.features.weight, 1)
        self.head.weight.data = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).relu().mean(dim=(2, 3)))


def test_a_map_that_follows_the_image_is_steady() -> None:
    cam = CAM(
        BrightPlaces(),
        "features",
        class_names=["Opacity", "Normal"],
        preprocessing=Preprocessing(64, (0.2,), (1.0,)),
    )
    found = examine(cam, Radiograph(spot())).steadiness("Opacity")
    assert found.wandering < 0.02  # the spot itself moves by up to 0.028
    assert found.overlap > 0.75
    assert found.probability_changes.shape == found.map_changes.shape == (16,)
    assert found.probability_change == pytest.approx(found.probability_changes.mean())
    row, column = np.unravel_index(found.mean_map.argmax(), found.mean_map.shape)
    assert (row / 64, column / 64) == pytest.approx((0.4, 0.7), abs=0.03)
    assert found.as_json() == {
        "word": found.word,
        "wandering": found.wandering,
        "overlap": found.overlap,
        "probability_change": found.probability_change,
    }


@pytest.mark.parametrize(
    ("apart", "moved", "word"),
    [
        (STEADY[0], STEADY[1], "steady"),
        (STEADY[0] + 0.01, 0.0, "wavering"),
        (0.0, STEADY[1] + 0.01, "wavering"),
        (UNSTEADY[0] + 0.01, 0.0, "unsteady"),
        (0.0, UNSTEADY[1] + 0.01, "unsteady"),
    ],
)
def test_either_map_or_answer_makes_it_unsteady(apart: float, moved: float, word: str) -> None:
    nothing = np.zeros(16), np.zeros(16), np.zeros((1, 1), np.float32)
    assert Steadiness(0.0, 1 - apart, moved, *nothing).word == word


def test_overlap_and_similarity_by_hand() -> None:
    one = np.array([[1.0, 0.8, 0.1]], np.float32)
    assert overlap(one, one) == 1
    assert overlap(one, np.array([[0.1, 0.5, 0.6]], np.float32)) == pytest.approx(1 / 3)
    assert overlap(one * 0, one) == 0
    assert overlap(one * 0, one * 0) == 1
    blob = spot()
    assert similarity(blob, blob) == pytest.approx(1)
    flat = np.full((20, 20), 0.5, np.float32)
    expected = (2 * 0.5 * 0.25 + 1e-4) / (0.5**2 + 0.25**2 + 1e-4)
    assert similarity(flat, flat / 2) == pytest.approx(expected, rel=1e-5)
