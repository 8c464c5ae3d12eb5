import numpy as np
import pytest

from cxr_gradcam.anatomy.network import SIDE
from cxr_gradcam.data.lung_pairs import AT_LEFT, AT_RIGHT
from cxr_gradcam.training.lungs.drawing import exposed, moved, whitened
from cxr_gradcam.training.lungs.foreign import foreign


def two_lungs() -> tuple[np.ndarray, np.ndarray]:
    """Return dark lungs in bright tissue, the one at the left smaller, and their labels."""
    picture, labels = np.full((SIDE, SIDE), 0.7, np.float32), np.zeros((SIDE, SIDE), np.uint8)
    labels[35:95, 25:50], labels[25:105, 75:110] = AT_LEFT, AT_RIGHT
    picture[labels > 0] = 0.1
    return picture, labels


def test_labels_move_with_the_picture_and_keep_their_sides():
    picture, labels = two_lungs()
    mirrored = 0
    for seed in range(20):
        grey, marks = moved(picture, labels, np.random.default_rng(seed))
        assert grey.shape == marks.shape == (SIDE, SIDE)
        inside = marks > 0
        assert np.abs(grey[inside] - 0.1).mean() < 0.05
        left, right = ((marks == label).nonzero()[1].mean() for label in (AT_LEFT, AT_RIGHT))
        assert left < right
        mirrored += (marks == AT_LEFT).sum() > (marks == AT_RIGHT).sum()
    assert 3 < mirrored < 17


def test_whiteness_only_brightens_and_stays_near_the_lungs():
    picture, labels = two_lungs()
    brightened = 0
    for seed in range(40):
        white = whitened(picture, labels, np.random.default_rng(seed))
        assert (white >= picture - 1e-6).all()
        assert white.max() <= 1
        assert np.array_equal(white[:5], picture[:5])
        brightened += white[labels > 0].mean() > 0.15
    assert 10 < brightened < 40


def test_a_picture_without_lungs_stays_as_it_is():
    picture, labels = two_lungs()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert np.array_equal(whitened(picture, 0 * labels, rng), picture)


@pytest.mark.parametrize("change", [exposed, foreign])
def test_pictures_stay_pictures_and_are_drawn_again_alike(change):
    picture, _ = two_lungs()
    for seed in range(30):
        one, again = (change(picture, np.random.default_rng(seed)) for _ in range(2))
        assert one.shape == (SIDE, SIDE)
        assert one.dtype == np.float32
        assert one.min() >= 0
        assert one.max() <= 1
        assert np.array_equal(one, again)
        assert not np.array_equal(one, picture)
