"""Outputs that are probabilities stay as they are; logits are not mistaken for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cxr_gradcam import CAM
from cxr_gradcam.cam.outputs import as_logits
from cxr_gradcam.models.preprocessing import Preprocessing

SMALL = Preprocessing(16)


class Headed(nn.Module):
    """A convolution, and behind it a head that somebody wrote."""

    def __init__(self, head: Callable[[Headed, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU())
        self.fc, self.other, self.conv = nn.Linear(8, 3), nn.Linear(8, 3), nn.Conv2d(8, 4, 1)
        self.one = nn.Linear(8, 1)
        with torch.no_grad():
            for layer in (self.fc, self.other, self.conv, self.one):
                layer.weight.mul_(6)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self, self.features(x))


def pooled(places: Tensor) -> Tensor:
    return places.mean(dim=(2, 3))


def two_columns(net: Headed, places: Tensor) -> Tensor:
    share = net.one(pooled(places)).sigmoid()
    return torch.cat([1 - share, share], dim=1)


def vote(net: Headed, places: Tensor) -> Tensor:
    shares = [layer(pooled(places)).softmax(1) for layer in (net.fc, net.other)]
    return torch.stack(shares).mean(0)


def noisy_or(net: Headed, places: Tensor) -> Tensor:
    return 1 - (1 - net.conv(places).sigmoid()).flatten(2).prod(dim=2)


EXCLUSIVE = {
    "several networks vote": vote,
    "limits": lambda net, places: net.fc(pooled(places)).softmax(1).clamp(1e-3, 1 - 1e-3),
    "a class and its complement": two_columns,
    "cosine": lambda net, places: (
        9 * F.linear(F.normalize(pooled(places)), F.normalize(net.fc.weight))
    ).softmax(1),
    "shares of evidence": lambda net, places: F.normalize(
        1 + F.softplus(net.fc(pooled(places))), p=1, dim=1
    ),
    "convolution": lambda net, places: pooled(net.conv(places)).softmax(1),
}
INDEPENDENT = {
    "convolution": lambda net, places: pooled(net.conv(places)).sigmoid(),
    "mean over places": lambda net, places: pooled(net.conv(places).sigmoid()),
    "the greatest place": lambda net, places: net.conv(places).sigmoid().amax(dim=(2, 3)),
    "noisy or": noisy_or,
    "tanh": lambda net, places: (pooled(net.conv(places)).tanh() + 1) / 2,
    "a formula": lambda net, places: 1 / (1 + (-pooled(net.conv(places))).exp()),
    "limits": lambda net, places: (0.5 + pooled(net.conv(places)) / 4).clamp(0, 1),
    "hard sigmoid": lambda net, places: F.relu6(pooled(net.conv(places)) + 3) / 6,
    "cosines": lambda net, places: (
        (1 + F.linear(F.normalize(pooled(places)), F.normalize(net.fc.weight))) / 2
    ),
    "one minus": lambda net, places: 1 - (-F.softplus(pooled(net.conv(places)))).exp(),
    "one column of a softmax": lambda net, places: net.fc(pooled(places)).softmax(1)[:, 2],
}
LOGITS = {
    "convolution": lambda net, places: 0.5 + 0.01 * pooled(net.conv(places)),
    "gated": lambda net, places: net.one(pooled(places)).sigmoid() * net.fc(pooled(places)) * 1e-3,
    "attention over places": lambda net, places: (
        0.3 + 0.01 * (net.conv(places).flatten(2).softmax(2) * places.flatten(2)[:, :4]).sum(2)
    ),
    "linear": lambda net, places: 0.4 + 0.01 * net.fc(pooled(places)),
    "weights without a layer": lambda net, places: (
        0.4 + 0.01 * F.linear(pooled(places), net.fc.weight)
    ),
    "a positive one": lambda net, places: 0.01 * F.softplus(net.fc(pooled(places))),
    "almost nothing": lambda net, places: 1e-12 * net.fc(pooled(places)).exp(),
    "nothing learnt": lambda net, places: 0 * net.fc(pooled(places)) + 0.25,
}


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def given(cam: CAM, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the package says, and what the network gives."""
    logits = cam.record(x).logits
    shares = logits.sigmoid() if cam.multi_label else logits.softmax(1)
    with torch.no_grad():
        own = cam.model(x)
    return shares, own[:, None] if own.ndim == 1 else own


@pytest.mark.parametrize("name", EXCLUSIVE)
def test_exclusive_probabilities_stay_the_networks_own(name: str, x: Tensor) -> None:
    cam = CAM(Headed(EXCLUSIVE[name]), preprocessing=SMALL)
    torch.testing.assert_close(*given(cam, x))
    assert not cam.multi_label
    assert any("the outputs are probabilities" in each for each in cam.assumptions)


@pytest.mark.parametrize("name", INDEPENDENT)
def test_independent_probabilities_stay_the_networks_own(name: str, x: Tensor) -> None:
    cam = CAM(Headed(INDEPENDENT[name]), preprocessing=SMALL)
    torch.testing.assert_close(*given(cam, x), rtol=1e-4, atol=1e-6)
    assert cam.multi_label
    assert any("the outputs are probabilities" in each for each in cam.assumptions)


@pytest.mark.parametrize("name", LOGITS)
def test_logits_that_lie_between_0_and_1_are_no_probabilities(name: str, x: Tensor) -> None:
    cam = CAM(Headed(LOGITS[name]), preprocessing=SMALL)
    with torch.no_grad():
        torch.testing.assert_close(cam.record(x).logits, cam.model(x))
    assert cam.assumptions == ()


def test_what_is_explained_are_the_log_odds(x: Tensor) -> None:
    behind = CAM(Headed(INDEPENDENT["convolution"]), preprocessing=SMALL)
    logits = CAM(Headed(lambda net, places: pooled(net.conv(places))), preprocessing=SMALL)
    torch.testing.assert_close(behind(x, 1)[1], logits(x, 1)[1], rtol=0, atol=1e-3)


def test_one_probability_may_have_two_names(x: Tensor) -> None:
    model = Headed(lambda net, places: net.one(pooled(places)).sigmoid().clamp(1e-6, 1 - 1e-6))
    cam = CAM(model, preprocessing=SMALL, class_names=["Normal", "Pneumonia"])
    with torch.no_grad():
        expected = model(x)[:, 0]
    torch.testing.assert_close(cam.record(x).logits.softmax(1)[:, 1], expected)


def test_saturated_probabilities_are_kept() -> None:
    shares = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    torch.testing.assert_close(as_logits(shares, "exclusive").softmax(1), shares)
    torch.testing.assert_close(as_logits(shares, "independent").sigmoid(), shares)
