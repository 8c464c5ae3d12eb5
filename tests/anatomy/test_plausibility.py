from dataclasses import replace

import numpy as np
import pytest
import torch

from cxr_gradcam.anatomy.plausibility import (
    UNUSUAL,
    picture_features,
    shape_features,
    shape_problem,
)
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.training.lungs.plausibility import fit_detector


def shares(left: tuple[slice, slice] | None, right: tuple[slice, slice] | None) -> np.ndarray:
    both = np.full((2, 100, 100), 0.1, np.float32)
    for share, place in zip(both, (left, right), strict=True):
        if place is not None:
            share[place] = 0.9
    return both


LEFT, RIGHT = (slice(20, 80), slice(10, 40)), (slice(20, 80), slice(60, 90))


def test_lungs_are_measured_in_shares_of_the_picture():
    features = shape_features(shares(LEFT, RIGHT))
    area, column, row, width, height, lean = features[:6]
    assert area == pytest.approx(np.sqrt(0.6 * 0.3))
    assert (column, row) == pytest.approx((0.245, 0.495))
    assert (width, height, lean) == pytest.approx((0.3, 0.6, 0))
    assert features[7] - column == pytest.approx(0.5)
    assert features[-1] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        (None, None, "no lungs were found"),
        (LEFT, None, "only one lung was found"),
        (None, RIGHT, "only one lung was found"),
        (LEFT, (slice(0, 5), slice(0, 5)), "only one lung was found"),
    ],
)
def test_missing_lungs_are_a_problem_without_any_figures(left, right, words):
    score, problem = shape_problem(shape_features(shares(left, right)), None, 1)
    assert problem == words
    assert score > 1


def test_lungs_like_the_known_ones_are_plausible_and_others_are_not():
    rng = np.random.default_rng(0)
    known = [
        shape_features(
            shares(
                (slice(20 + a, 80 + b), slice(10 + c, 40 + d)),
                (slice(20 + a, 80 + b), slice(60 + c, 90 + d)),
            )
        )
        for a, b, c, d in rng.integers(-6, 7, (200, 4))
    ]
    detector = fit_detector([np.array(known)])
    verdicts = [shape_problem(each, detector, 1)[1] for each in known]
    assert sum(verdict is None for verdict in verdicts) >= 196
    small = shares((slice(40, 60), slice(10, 30)), (slice(40, 60), slice(35, 55)))
    score, problem = shape_problem(shape_features(small), detector, 1)
    assert score > 1
    assert problem == UNUSUAL


def test_usual_lungs_in_an_unusual_picture_are_a_problem():
    rng = np.random.default_rng(1)
    lungs = shares(LEFT, RIGHT)
    maps = torch.from_numpy(rng.normal(1, 0.1, (100, 1, 2, 4, 4)).astype(np.float32))
    known = np.array([picture_features(lungs, each) for each in maps])
    assert known.shape == (100, 13 + 4)
    assert known[0, 13:15] == pytest.approx(maps[0, 0].mean(dim=(1, 2)).numpy())
    detector = fit_detector([known])
    score, problem = shape_problem(picture_features(lungs, 2 * maps[0]), detector, 1)
    assert score > 1
    assert problem == UNUSUAL


def test_a_detector_of_lungs_alone_judges_the_lungs():
    detector = OODDetector(*np.zeros((2, 13), np.float32), np.ones(13, np.float32), 1.0, 2.0)
    detector = replace(detector, directions=np.eye(13, dtype=np.float32))
    features = picture_features(shares(LEFT, RIGHT), torch.full((1, 2, 4, 4), 100.0))
    measures = features[:13]
    assert shape_problem(features, detector, 1) == shape_problem(measures, detector, 1)


@pytest.mark.parametrize(("aspect", "is_stretched"), [(1, False), (6, True), (1 / 6, True)])
def test_lungs_of_a_stretched_picture_are_a_problem(aspect, is_stretched):
    features = shape_features(shares(LEFT, RIGHT))  # 0.8 wide and 0.6 high on a square
    score, problem = shape_problem(features, None, aspect)
    assert (score > 1) is is_stretched
    assert (problem is not None and "stretched" in problem) is is_stretched


def test_too_few_radiographs_are_refused():
    with pytest.raises(ValueError, match="20 at least"):
        fit_detector([np.zeros((3, 13), np.float32)])
