"""Where the peak of a map lies, worked out by hand."""

import pytest
import torch

from cxr_gradcam.batch.network import explain_batch
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.preprocessing import Preprocessing
from tests.helpers.tiny import TinyNetwork


def answers(x, sizes, *, class_name: str = "class 0", draw: bool = False):
    preprocessing = Preprocessing(4, (0.0,), (1.0,))
    model = CAM(TinyNetwork(), "target", preprocessing=preprocessing, multi_label=False)
    return explain_batch(model, x, sizes, Question(class_name, layers=["target"]), draw=draw)


def test_the_peak_is_in_the_middle_of_the_brightest_place():
    # Class 0 weighs A1 = x by 1/16 and A2 = 5 - 2x, which is above zero for x < 2.5, by 2/16.
    # So its map is relu(x * 1/16 + (5 - 2x) * 2/16): greatest where x is least.
    x = torch.full((2, 1, 4, 4), 2.0)
    x[0, 0, 1, 2] = 0  # row 1, column 2
    x[1, 0, 3, 0] = 0
    first, second = answers(x, [(400, 800), (4, 4)])
    assert first.peak == pytest.approx(10 / 16)
    assert (first.peak_x, first.peak_y) == pytest.approx((2.5 * 200, 1.5 * 100))
    assert (second.peak_x, second.peak_y) == pytest.approx((0.5, 3.5))
    assert first.explanation.heatmap.shape == (4, 4)


def test_the_middle_of_a_plateau_counts():
    x = torch.full((1, 1, 4, 4), 2.0)
    x[0, 0, 1:3, 1:3] = 0
    (answer,) = answers(x, [(4, 4)])
    assert (answer.peak_x, answer.peak_y) == pytest.approx((2, 2))


def test_an_empty_map_has_no_place():
    (answer,) = answers(torch.full((1, 1, 4, 4), 9.0), [(4, 4)], class_name="class 1")
    assert (answer.peak, answer.peak_x, answer.peak_y) == (0, None, None)


def test_a_map_is_drawn_on_the_grid_of_its_radiograph():
    x = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    first, second = answers(x, [(8, 6), (5, 9)], draw=True)
    assert first.explanation.heatmap.shape == (8, 6)
    assert second.explanation.heatmap.shape == (5, 9)
    assert second.explanation.heatmap.max() == 1
