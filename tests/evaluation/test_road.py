"""ROAD and ARCC: the same as pytorch-grad-cam's on the same maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics import road as reference_road
from pytorch_grad_cam.metrics.arcc import ARCC
from torch import Tensor, nn

from cxr_gradcam.evaluation.trust.road import (
    ARCC_PERCENTILES,
    arcc,
    coherency,
    complexity,
    impute,
    road,
)

SIDE = 24


class Tiny(nn.Module):
    """Two probabilities that depend on places and on their order."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(3, 4, 5, padding=2)
        self.head = nn.Linear(4 * SIDE * SIDE, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.conv(x)).flatten(1)).softmax(dim=1)


@pytest.fixture(autouse=True)
def no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)


@pytest.fixture(params=[0, 1])
def heatmap(request: pytest.FixtureRequest) -> np.ndarray:
    """Distinct values in [0, 1], in blobs."""
    rng = np.random.default_rng(request.param)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    blob = np.exp(-((rows - rng.random()) ** 2 + (columns - rng.random()) ** 2) / 0.1)
    values = blob + 0.01 * rng.random((SIDE, SIDE))
    return ((values - values.min()) / np.ptp(values)).astype(np.float32)


def targets() -> list:
    return [lambda output: output[1]]


def test_removed_pixels_are_the_means_of_their_neighbours() -> None:
    x = torch.arange(9.0).view(1, 3, 3)
    removed = np.zeros((3, 3), bool)
    removed[1, 1] = True
    assert impute(x, removed, 0, torch.Generator())[0, 1, 1] == pytest.approx(4)
    removed[0, 0] = True
    filled = impute(x, removed, 0, torch.Generator())
    a, m = filled[0, 0, 0].item(), filled[0, 1, 1].item()
    assert m == pytest.approx((1 + 3 + 5 + 7) / 6 + (2 + 6 + 8 + a) / 12)
    assert a == pytest.approx((1 / 6 + 3 / 6 + m / 12) / (5 / 12))
    everything = np.ones((3, 3), bool)
    everything[2, 2] = False
    torch.testing.assert_close(
        impute(x, everything, 0, torch.Generator()), torch.full((1, 3, 3), 8.0)
    )


def test_noise_lies_on_removed_pixels_alone() -> None:
    x, removed = torch.zeros(1, 8, 8), np.zeros((8, 8), bool)
    removed[2:6, 2:6] = True
    filled = impute(x, removed, 0.5, torch.Generator().manual_seed(0))
    assert (filled[0] != 0).numpy().tolist() == removed.tolist()


def test_road_is_that_of_pytorch_grad_cam(heatmap: np.ndarray) -> None:
    model, x = (
        Tiny().eval(),
        torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)),
    )
    expected = reference_road.ROADCombined()(x, heatmap[None], targets(), model)[0]
    assert abs(expected) > 1e-4
    assert road(lambda x: model(x)[:, 1], x, heatmap, noise=0) == pytest.approx(expected, abs=1e-6)


def test_arcc_is_that_of_pytorch_grad_cam(heatmap: np.ndarray) -> None:
    model, x = (
        Tiny().eval(),
        torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2)),
    )
    of_masked = np.roll(heatmap, 3, axis=1)
    if road(lambda x: model(x)[:, 1], x, heatmap, ARCC_PERCENTILES, 0) < 0:
        model.head.weight.data = model.head.weight.data.flip(0)
    metric = ARCC(lambda **_: of_masked[None])
    expected = metric(x, heatmap[None], targets(), model)[0]
    assert expected > 1e-4
    found = arcc(lambda x: model(x)[:, 1], x, heatmap, of_masked, noise=0)
    assert found == pytest.approx(expected, rel=1e-4)


def test_coherency_and_complexity_by_hand() -> None:
    one = np.array([[0, 1], [0, 1]], np.float32)
    assert coherency(one, one) == pytest.approx(1)
    assert coherency(one, 1 - one) == pytest.approx(0, abs=1e-6)
    assert coherency(one, np.ones((2, 2), np.float32)) == pytest.approx(0.5)
    assert complexity(one) == pytest.approx(0.5)
