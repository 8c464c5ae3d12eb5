"""Sanity: whether maps depend on the trained weights.

Cascading randomisation (Adebayo et al., NeurIPS 2018) replaces the weights by random ones, layer by
layer from the head on. A map that does not change shows the image, not the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from cxr_gradcam.cam.methods import QUICK_METHODS
from cxr_gradcam.data.cases import some_radiographs
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, mean_intervals
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

CASCADE = ("fc", "layer4", "layer3", "layer2", "layer1", "conv1")
"""The layers whose weights become random, one after the other."""


def study(model: ResNet50FineTuned, data: Sequence[Path], count: int) -> dict[str, Any]:
    """Study whether maps depend on the trained weights.

    Args:
        model: a model with Grad-CAM enabled; the weights of a copy are randomised.
        data: folders with one folder of radiographs per class; none for synthetic radiographs.
        count: the greatest number of radiographs.

    Returns:
        {"title", "about", "rows"}; the rows are those of `measure_sanity`.

    Raises:
        RadiographError: a file cannot be read.
    """
    radiographs = some_radiographs(data, count)
    return {
        "title": "Whether the maps depend on what the model has learnt",
        "about": (
            f"{len(radiographs)} X-rays. The network is made random from its head ({CASCADE[0]}) "
            "to its first layer; shown is the rank correlation of the maps with those of the "
            f"trained network, which must fall. {IN_BRACKETS} over the X-rays."
        ),
        "rows": measure_sanity(model, radiographs),
    }


def measure_sanity(
    model: ResNet50FineTuned, radiographs: Sequence[Radiograph]
) -> list[dict[str, Any]]:
    """Measure how much maps stay the same while the network's weights become random.

    Args:
        model: a model with Grad-CAM enabled; the weights of a copy are randomised.
        radiographs: at least one radiograph.

    Returns:
        Rows {"method", "cases", one key per layer of `CASCADE`}: the mean rank correlation between
        the maps of the trained network and of the network whose weights are random from the head to
        this layer. The maps are of the class that the trained network predicts. 1 is unchanged;
        0 stands for a pair with an empty map.
    """
    x = torch.cat([model.preprocessing.prepare(radiograph) for radiograph in radiographs])
    class_idx = model.record(x).logits.argmax(dim=1)
    before = _heatmaps(model, x, class_idx)
    rows: dict[str, dict[str, Any]] = {
        method: {"method": method, "cases": len(x)} for method in QUICK_METHODS
    }
    victim = deepcopy(model)
    victim.fast = False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for layer in CASCADE:
            _randomize(victim.resnet50.get_submodule(layer))
            for method, after in _heatmaps(victim, x, class_idx).items():
                pairs = zip(before[method], after, strict=True)
                likeness = [rank_correlation(*pair) for pair in pairs]
                rows[method] |= mean_intervals(np.array(likeness)[:, None], (layer,))
    return list(rows.values())


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return Spearman's correlation of two maps (H, W); 0 if a map is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0  # spearmanr would warn and return NaN
    return float(spearmanr(first, second, axis=None).statistic)


def _heatmaps(
    model: ResNet50FineTuned, x: Tensor, class_idx: Tensor
) -> dict[str, NDArray[np.float32]]:
    forward_pass = model.record(x)
    return {method: forward_pass.maps(class_idx, method)[0].numpy() for method in QUICK_METHODS}


def _randomize(layer: torch.nn.Module) -> None:
    for module in layer.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()  # type: ignore[operator]
