"""The campaign against pytorch-grad-cam itself, on the smallest architectures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.campaigns.peers import Comparison, _correlation, compare, compare_with_torchcam


@pytest.mark.parametrize("architecture", ["resnet18", "shufflenet_v2_x1_0"])
def test_maps_equal_those_of_pytorch_grad_cam(architecture: str) -> None:
    different = [each for each in compare(architecture, size=96) if not each.is_equal]
    assert different == []


def test_maps_equal_those_of_torchcam() -> None:
    pytest.importorskip("torchcam")
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    ).eval()
    x = torch.randn(2, 3, 24, 24)
    different = [each for each in compare_with_torchcam(network, "1", x) if not each.is_equal]
    assert different == []


def test_another_map_is_noticed() -> None:
    rows = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    assert _correlation(rows, rows.T) < 0.999
    assert _correlation(rows, np.zeros_like(rows)) == 0
    assert not Comparison("any", "layer", "gradcam", (1.0, 0.5)).is_equal
