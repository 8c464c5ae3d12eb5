"""What the studies are tried on: a small network, and two synthetic radiographs."""

from __future__ import annotations

import pytest
import torch

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.synthetic.chest import draw_phantom
from tests.helpers.intervals import few_resamples  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def small() -> ResNet50FineTuned:
    torch.manual_seed(0)
    network = ResNet50FineTuned(2, enable_gradcam=True, weights=None).eval()
    network.preprocessing = Preprocessing(64)
    return network


@pytest.fixture(scope="module")
def radiographs() -> list[Radiograph]:
    return [Radiograph(draw_phantom(seed, size=64).pixels) for seed in (1, 2)]
