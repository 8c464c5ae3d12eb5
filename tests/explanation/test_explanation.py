import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import torch

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.maps import upsample
from cxr_gradcam.explanation import Examination, examine, explain
from cxr_gradcam.explanation.display import Display
from cxr_gradcam.explanation.question import find_class
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.imaging.rendering import as_rgb
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.preprocessing import Preprocessing

NAMES = ("Normal", "Pneumonia", "Effusion")


@pytest.fixture(scope="module")
def radiograph():
    pixels = np.random.default_rng(0).random((50, 90), dtype=np.float32)
    return Radiograph(pixels)


@pytest.fixture
def model(model):
    model.class_names = NAMES
    model.preprocessing = Preprocessing(size=64)
    return model


def test_map_lies_on_the_radiographs_own_grid(model, radiograph):
    explanation = explain(model, radiograph, "Pneumonia")
    assert explanation.heatmap.shape == (50, 90)
    assert explanation.heatmap.dtype == np.float32
    assert explanation.heatmap.min() >= 0
    assert explanation.heatmap.max() == 1
    assert not explanation.is_empty
    maps = model.gradcam(model.preprocessing.prepare(radiograph), 1)[1]
    heatmaps, _ = upsample(maps, (50, 90))
    np.testing.assert_allclose(explanation.heatmap, heatmaps[0].numpy(), rtol=0, atol=1e-5)
    _, peaks = upsample(maps, (64, 64))  # the network's own grid
    assert explanation.peak == pytest.approx(peaks.item(), rel=1e-5)


class HotCorner(ForwardPass):
    """A pass over a black image that found one hot place, at the right, half-way down."""

    x, logits, layers = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3), ("hot",)

    def activations(self, _layer):
        return torch.tensor([[[[0.0, 0.0], [0.0, 6.0], [0.0, 0.0]]]])

    def gradients(self, _weights, _layers):
        return [torch.ones(1, 1, 3, 2)]

    def second_order(self, _weights, _layers):
        raise NotImplementedError

    def full_gradients(self, _weights):
        raise NotImplementedError

    def record(self, _x):
        raise NotImplementedError

    def forward(self, _x):
        raise NotImplementedError

    def logits_without(self, _layer, _sample, _channels):
        raise NotImplementedError


class FakeClassifier:
    class_names, multi_label = NAMES, False
    calibration, ood_detector = Calibration(), None
    assumptions, provenance, preprocessing = (), None, Preprocessing(size=64)


def test_a_hot_place_stays_in_its_place():
    radiograph = Radiograph(np.zeros((3, 4), dtype=np.float32))
    explanation = Examination(radiograph.pixels.shape, FakeClassifier(), HotCorner()).explain()
    # Rows fit; columns as 2 pixels become 4: 0, 1/4, 3/4, 1.
    assert explanation.heatmap.tolist() == [[0] * 4, [0, 0.25, 0.75, 1], [0] * 4]
    # On the network's 64 rows, the two in the middle lie 1.5/64 of a place beside the hot one.
    assert explanation.peak == pytest.approx(6 * (1 - 1.5 / 64))
    # Columns are hot from the middle of the right half of the network's grid to the edge.
    assert explanation.hottest == pytest.approx((3.5, 1.5))


def test_probabilities_are_the_softmax_of_the_logits(model, radiograph):
    explanation = explain(model, radiograph)
    assert tuple(explanation.probabilities) == NAMES
    assert sum(explanation.probabilities.values()) == pytest.approx(1, abs=1e-6)
    logits = model(model.preprocessing.prepare(radiograph))[0]
    expected = logits.exp() / logits.exp().sum()
    assert list(explanation.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-6)


def test_the_predicted_class_is_explained_unless_asked_otherwise(model, radiograph):
    explanation = explain(model, radiograph)
    most_probable = max(NAMES, key=explanation.probabilities.get)
    assert explanation.class_name == explanation.predicted_class == most_probable
    other = next(name for name in NAMES if name != most_probable)
    asked = explain(model, radiograph, other)
    assert asked.class_name == other
    assert asked.predicted_class == most_probable
    assert asked.probabilities == explanation.probabilities
    assert np.abs(asked.heatmap - explanation.heatmap).max() > 0.01


@pytest.mark.parametrize("name", ["effusion", "EFFUSION", "Effusion", "eFFUSION"])
def test_class_is_found_in_any_case(model, radiograph, name):
    assert find_class(NAMES, name) == 2
    assert explain(model, radiograph, name).class_name == "Effusion"


@pytest.mark.parametrize("name", ["Tuberculosis", "", "Effus"])
def test_unknown_class_is_refused_with_the_known_ones(model, radiograph, name):
    with pytest.raises(ValueError, match=f"no class '{name}'.* Normal, Pneumonia, Effusion"):
        explain(model, radiograph, name)


def test_what_is_no_radiograph_and_no_name_is_refused_with_what_to_do(model, radiograph):
    for wrong in ("film.png", radiograph.pixels):
        with pytest.raises(RadiographError, match="read_radiograph"):
            explain(model, wrong)
    with pytest.raises(ValueError, match=r"chosen by its name.* not by 1"):
        explain(model, radiograph, 1)


def test_an_explanation_is_short_in_a_console(model, radiograph):
    assert "array" not in repr(explain(model, radiograph))


def test_unknown_method_is_refused_with_the_known_ones(model, radiograph):
    with pytest.raises(ValueError, match="no method 'tarot': choose from gradcam"):
        explain(model, radiograph, method="tarot")


def test_what_was_asked_is_told(model, radiograph):
    explanation = explain(
        model, radiograph, "effusion", "layercam", contrast_with="normal", against=True
    )
    assert explanation.method == "layercam"
    assert explanation.layers == ("resnet50.layer4.2.conv3",)
    assert (explanation.contrast_with, explanation.against) == ("Normal", True)
    assert str(explanation.question) == "against Effusion rather than Normal"
    assert str(explain(model, radiograph, "Effusion").question) == "for Effusion"


def test_an_examination_answers_what_explain_answers(model, radiograph):
    layers = ("resnet50.layer3", "resnet50.layer4.2.conv3")
    examination = examine(model, radiograph, layers)
    for class_name, method, asked in [
        ("Normal", "gradcam", layers),
        ("Effusion", "layercam", layers[1:]),
        ("Effusion", "eigencam", layers[:1]),
    ]:
        again = examination.explain(class_name, method, layers=asked)
        anew = explain(model, radiograph, class_name, method, layers=asked)
        np.testing.assert_allclose(again.heatmap, anew.heatmap, atol=1e-5)
        assert again.probabilities == anew.probabilities


def test_a_layer_that_was_not_looked_at_is_refused(model, radiograph):
    with pytest.raises(ValueError, match=r"layer 'resnet50.layer1' was not recorded"):
        examine(model, radiograph).explain(layers=["resnet50.layer1"])


def test_where_nothing_speaks_for_the_class_the_map_is_empty_and_says_so(model, radiograph):
    with torch.no_grad():
        model.resnet50.fc.weight[1] = 0
    explanation = explain(model, radiograph, "Pneumonia")
    assert explanation.is_empty
    assert explanation.peak == 0
    assert not explanation.heatmap.any()


def test_without_gradcam_it_is_refused(model, radiograph):
    model.disable_gradcam_mode()
    with pytest.raises(RuntimeError, match="Grad-CAM is not enabled"):
        explain(model, radiograph)


@pytest.mark.parametrize("fails", [True, False])
def test_a_model_in_training_is_left_as_it_was(model, radiograph, fails):
    expected = explain(model, radiograph)
    model.train().resnet50.layer2.eval()
    modes = [module.training for module in model.modules()]
    statistics = {name: buffer.clone() for name, buffer in model.named_buffers()}
    if fails:
        model.resnet50.fc.register_forward_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            explain(model, radiograph)
    else:
        np.testing.assert_array_equal(explain(model, radiograph).heatmap, expected.heatmap)
    assert [module.training for module in model.modules()] == modes
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, statistics[name])


@pytest.mark.parametrize("caller", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_the_callers_grad_mode_does_not_matter(model, radiograph, caller):
    expected = explain(model, radiograph)
    with caller():
        explanation = explain(model, radiograph)
    assert explanation.probabilities == expected.probabilities
    np.testing.assert_array_equal(explanation.heatmap, expected.heatmap)


def test_an_explanation_cannot_be_changed(model, radiograph):
    explanation = explain(model, radiograph)
    with pytest.raises(dataclasses.FrozenInstanceError):
        explanation.peak = 1


def test_a_figure_shows_the_three_panels_and_the_answer(model, radiograph):
    explanation = explain(model, radiograph, "Pneumonia")
    display = Display(0.3, "viridis", "fading", 0.2)
    figure = explanation.figure(display)
    panels = [axis.images[0].get_array() for axis in figure.axes[:3]]
    original = as_rgb(radiograph.pixels)
    np.testing.assert_array_equal(panels[0], original)
    drawn = display.draw(original, explanation.heatmap)
    np.testing.assert_array_equal(panels[1], drawn["heatmap"])
    np.testing.assert_array_equal(panels[2], drawn["overlay"])
    assert figure.get_suptitle() == f"{explanation.answer} (evidence for Pneumonia)"
    assert explanation._repr_png_().startswith(b"\x89PNG")


def test_an_explanation_without_pixels_has_no_figure(model, radiograph):
    explanation = replace(explain(model, radiograph), pixels=None)
    assert explanation._repr_png_() is None
    with pytest.raises(ValueError, match="explain it by `explain`"):
        explanation.figure()
