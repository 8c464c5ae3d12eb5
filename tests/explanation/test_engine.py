"""The maximum of a map and its place, worked out by hand."""

import numpy as np
import pytest
import torch

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation.engine import examine, explain, explain_inputs
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.preprocessing import Preprocessing
from tests.helpers.tiny import TinyNetwork


def tiny() -> CAM:
    preprocessing = Preprocessing(4, (0.0,), (1.0,))
    return CAM(TinyNetwork(), "target", preprocessing=preprocessing, multi_label=False)


def answers(x, sizes, *, class_name: str = "class 0", full_size: bool = False):
    question = Question(class_name, layers=["target"])
    return explain_inputs(tiny(), x, sizes, question, full_size=full_size)


def test_the_peak_is_in_the_middle_of_the_brightest_place():
    # Class 0 weighs A1 = x by 1/16 and A2 = 5 - 2x, which is above zero for x < 2.5, by 2/16.
    # So its map is relu(x * 1/16 + (5 - 2x) * 2/16): greatest where x is least.
    x = torch.full((2, 1, 4, 4), 2.0)
    x[0, 0, 1, 2] = 0  # row 1, column 2
    x[1, 0, 3, 0] = 0
    first, second = answers(x, [(400, 800), (4, 4)])
    assert first.peak == pytest.approx(10 / 16)
    assert first.hottest == pytest.approx((2.5 * 200, 1.5 * 100))
    assert second.hottest == pytest.approx((0.5, 3.5))
    assert first.heatmap.shape == (4, 4)


def test_the_middle_of_a_plateau_counts():
    x = torch.full((1, 1, 4, 4), 2.0)
    x[0, 0, 1:3, 1:3] = 0
    (answer,) = answers(x, [(4, 4)])
    assert answer.hottest == pytest.approx((2, 2))


def test_an_empty_map_has_no_place():
    (answer,) = answers(torch.full((1, 1, 4, 4), 9.0), [(4, 4)], class_name="class 1")
    assert (answer.peak, answer.hottest) == (0, None)
    assert answer.is_empty


def test_a_map_is_drawn_on_the_grid_of_its_radiograph():
    x = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    first, second = answers(x, [(8, 6), (5, 9)], full_size=True)
    assert first.heatmap.shape == (8, 6)
    assert second.heatmap.shape == (5, 9)
    assert second.heatmap.max() == 1


def test_refinecam_multiplies_whatever_fusion_is_asked_for():
    model = tiny()
    for fusion in ("mean", "max"):
        asked = Question("class 0", "refinecam", layers=["target"], fusion=fusion)
        assert asked.for_model(model).fusion == "product"
        radiograph = Radiograph(np.full((4, 4), 0.5, np.float32))
        assert examine(model, radiograph).answer(asked).question.fusion == "product"


@pytest.mark.parametrize("method", [name for name, each in METHODS.items() if not each.is_slow])
def test_one_radiograph_is_explained_as_in_a_batch(method: str):
    generator = np.random.default_rng(0)
    radiographs = [
        Radiograph(generator.random(size, dtype=np.float32)) for size in ((8, 6), (5, 9), (4, 4))
    ]
    model = tiny()
    x = torch.cat([model.prepare(each) for each in radiographs])
    sizes = [each.pixels.shape for each in radiographs]
    question = Question("class 0", method, layers=["target"])
    together = explain_inputs(model, x, sizes, question, full_size=True)
    for radiograph, answer in zip(radiographs, together, strict=True):
        for alone in (
            explain(model, radiograph, "class 0", method, layers=["target"]),
            examine(model, radiograph).answer(question),
        ):
            assert alone.question == answer.question
            assert alone.prediction == answer.prediction
            assert (alone.peak, alone.hottest) == (answer.peak, answer.hottest)
            np.testing.assert_array_equal(alone.heatmap, answer.heatmap)


def test_the_peak_does_not_depend_on_the_radiographs_size():
    x = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    peaks = {
        answers(x, [size], full_size=full)[0].peak
        for size in ((4, 4), (400, 300))
        for full in (True, False)
    }
    assert len(peaks) == 1
