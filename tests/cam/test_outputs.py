"""Whatever a classifier returns, its logits are found; one logit may be two classes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from cxr_gradcam import CAM, Radiograph, explain
from cxr_gradcam.cam.outputs import OutputFormat, as_two_classes
from cxr_gradcam.explanation.records import explanation_record


class Wrapped(nn.Module):
    """A small classifier whose output is wrapped as a library would."""

    def __init__(self, wrap, classes=3, bias=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(4, classes)
        self.wrap = wrap
        with torch.no_grad():
            self.head.bias.fill_(bias)

    def forward(self, x):
        return self.wrap(self.head(self.features(x).mean(dim=(2, 3))))


FORMS = {
    "tensor": lambda logits: logits,
    "attribute": lambda logits: SimpleNamespace(logits=logits),
    "mapping": lambda logits: {"logits": logits},
    "tuple": lambda logits: (logits, torch.zeros(1)),
    "list of a mapping": lambda logits: [{"logits": logits}],
}


@pytest.fixture(scope="module")
def radiograph():
    return Radiograph(np.random.default_rng(0).random((30, 40), dtype=np.float32))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_map_of_the_bare_tensor(radiograph, form):
    bare, wrapped = (
        explain(CAM(Wrapped(FORMS[name]), "features"), radiograph, "class 1")
        for name in ("tensor", form)
    )
    assert wrapped.probabilities == bare.probabilities
    np.testing.assert_array_equal(wrapped.heatmap, bare.heatmap)


def test_one_logit_may_come_without_a_class_axis(radiograph):
    model = Wrapped(lambda logits: logits[:, 0], classes=1)
    assert list(explain(CAM(model, "features"), radiograph).probabilities) == ["class 0"]


@pytest.mark.parametrize("output", [torch.zeros(1, 2, 3), "text", {"scores": torch.zeros(1, 2)}])
def test_what_holds_no_logits_is_refused(output):
    with pytest.raises(ValueError, match="one row of scores per image"):
        OutputFormat().scores(output)


def test_torchscript_is_refused_with_the_reason():
    scripted = torch.jit.trace(Wrapped(FORMS["tensor"]).eval(), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="TorchScript module has no hooks"):
        CAM(scripted, "features")


def test_two_logits_share_the_sigmoid():
    logits = torch.tensor([[-3.0], [0.0], [1.5]])
    torch.testing.assert_close(as_two_classes(logits).softmax(dim=1)[:, 1:], logits.sigmoid())


@pytest.mark.parametrize(("bias", "expected"), [(-3.0, None), (3.0, "Pneumonia")])
def test_one_finding_is_predicted_from_one_half_on(radiograph, bias, expected):
    model = Wrapped(FORMS["tensor"], classes=1, bias=bias)
    explanation = explain(CAM(model, "features", class_names=["Pneumonia"]), radiograph)
    assert explanation.predicted_class == expected
    assert explanation_record(explanation)["predicted_class"] == expected
    assert explanation.class_name == "Pneumonia"


@pytest.mark.parametrize(("bias", "expected"), [(-3.0, "Normal"), (3.0, "Pneumonia")])
def test_one_logit_with_two_names_predicts_the_one_or_the_other(radiograph, bias, expected):
    model = Wrapped(FORMS["tensor"], classes=1, bias=bias)
    cam = CAM(model, "features", class_names=["Normal", "Pneumonia"])
    explanation = explain(cam, radiograph)
    assert explanation.predicted_class == expected
    assert sum(explanation.probabilities.values()) == pytest.approx(1)
    for_it = explain(cam, radiograph, "Normal").heatmap
    against = explain(cam, radiograph, "Pneumonia", against=True).heatmap
    np.testing.assert_array_equal(for_it, against)


class PooledChannels(nn.Module):
    """64 channels behind a pooling, as (N, 64, 1) and as tokens: no places of the image."""

    def __init__(self, width):
        super().__init__()
        self.features = nn.Conv2d(3, 64, 8, stride=4)
        self.pool = nn.AdaptiveAvgPool1d(width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(64 * width, 2)

    def forward(self, x):
        pooled = self.norm(self.pool(self.features(x).flatten(2)))
        return self.head(pooled.flatten(1))


@pytest.mark.parametrize("width", [1, 4])
def test_pooled_channels_are_not_taken_for_places(width):
    cam = CAM(PooledChannels(width))
    assert list(cam.target_layers) == ["features"]
    with pytest.raises(ValueError, match="no places for the image"):
        cam.record(torch.zeros(1, 3, 224, 224), ["norm"])
