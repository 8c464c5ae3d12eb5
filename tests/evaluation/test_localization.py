"""Localization: measures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxr_gradcam.data.cases import phantom_cases
from cxr_gradcam.evaluation.localization import lung_prior, measure_map, random_map


def test_measures_by_hand() -> None:
    heatmap = np.array([[1.0, 0.8, 0.0], [0.2, 0.6, 0.4]], dtype=np.float32)
    mask = np.array([[True, False, False], [True, True, False]])
    hit, overlap, energy = measure_map(heatmap, mask)
    assert hit == 1
    # above half of the maximum: 1.0, 0.8, 0.6; two of them in the lesion of three
    assert overlap == pytest.approx(2 / 4)
    assert energy == pytest.approx(1.8 / 3.0)


def test_a_maximum_outside_is_no_hit() -> None:
    heatmap = np.array([[1.0, 0.9]], dtype=np.float32)
    assert measure_map(heatmap, np.array([[False, True]]))[0] == 0


def test_an_empty_map_finds_nothing() -> None:
    assert measure_map(np.zeros((2, 2), np.float32), np.ones((2, 2), bool)) == (0, 0, 0)


@given(
    arrays(np.float32, (4, 5), elements=st.floats(0, 1, width=32)),
    arrays(np.bool_, (4, 5)),
    st.sampled_from([0.25, 0.5, 2.0, 4.0]),
)
def test_measures_are_shares_and_know_no_scale(
    heatmap: np.ndarray, mask: np.ndarray, scale: float
) -> None:
    measured = measure_map(heatmap, mask)
    assert all(0 <= value <= 1 for value in measured)
    if heatmap.max() > 1e-30:
        assert measure_map(heatmap * np.float32(scale), mask) == pytest.approx(measured)


def test_a_map_like_the_lesion_is_perfect() -> None:
    (case,) = phantom_cases(1)
    assert measure_map(case.mask.astype(np.float32), case.mask) == (1, 1, 1)


def test_the_guesses_look_at_nothing() -> None:
    prior = lung_prior((224, 200))
    assert prior.shape == (224, 200)
    np.testing.assert_allclose(prior, prior[:, ::-1], atol=1e-6)
    assert prior[100, 60] > 1.5 * prior[100, 100]
    assert random_map((64, 48), 1).shape == (64, 48)
    assert not np.array_equal(random_map((64, 48), 1), random_map((64, 48), 2))
