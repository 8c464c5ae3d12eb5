"""What covers a place: clear lung, and a blur elsewhere."""

from dataclasses import replace

import numpy as np
import pytest

from cxr_gradcam.anatomy.filling import cover
from cxr_gradcam.synthetic.chest import draw_phantom
from tests.anatomy.conftest import true_lungs

SEED, SIZE = 3_500_000, 160


@pytest.fixture(scope="module")
def twin() -> np.ndarray:
    return draw_phantom(SEED, size=SIZE).pixels


def distance(one: np.ndarray, other: np.ndarray, place: np.ndarray) -> float:
    return float(np.abs(one - other)[place].mean())


def test_a_covered_opacity_looks_like_the_healthy_twin(phantom, twin):
    covered = cover(phantom.pixels, phantom.lesion_mask, true_lungs(phantom))
    assert covered.dtype == np.float32
    assert 0 <= covered.min() < covered.max() <= 1
    left = distance(covered, twin, phantom.lesion_mask)
    assert left < 0.5 * distance(phantom.pixels, twin, phantom.lesion_mask)


def test_clear_lung_stays_nearly_as_it_is(phantom, twin):
    lungs = true_lungs(phantom)
    elsewhere = phantom.lesion_mask[:, ::-1]
    opacity = distance(phantom.pixels, twin, phantom.lesion_mask)
    covered = cover(phantom.pixels, elsewhere, lungs)
    assert distance(covered, phantom.pixels, elsewhere) < 0.3 * opacity
    covered = cover(twin, phantom.lesion_mask, lungs)
    assert distance(covered, twin, phantom.lesion_mask) < 0.3 * opacity


def test_far_from_the_place_nothing_changes(phantom):
    place = np.zeros((SIZE, SIZE), bool)
    place[:10, :10] = True
    covered = cover(phantom.pixels, place, true_lungs(phantom))
    assert np.abs(covered - phantom.pixels)[:10, :10].max() > 0.01
    np.testing.assert_array_equal(covered[60:, 60:], phantom.pixels[60:, 60:])


def test_without_plausible_lungs_the_surroundings_grow_in(phantom):
    lungs = replace(true_lungs(phantom), problem="no lungs were found")
    covered = cover(phantom.pixels, phantom.lesion_mask, lungs)
    inside = phantom.lesion_mask[:, 1:]
    rough = [np.abs(np.diff(each, axis=1))[inside].mean() for each in (phantom.pixels, covered)]
    assert rough[1] < 0.6 * rough[0]
