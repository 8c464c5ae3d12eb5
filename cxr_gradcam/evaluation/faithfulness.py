"""Faithfulness: whether the maps follow the model.

Deletion and insertion (Petsiuk et al., BMVC 2018) take away or bring back the pixels in the map's
order, and watch the probability. Cascading randomisation (Adebayo et al., NeurIPS 2018) destroys
what the network learnt, layer by layer from the head on; a map that stays as it was shows the
picture and not the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.stats import rankdata
from torch import Tensor

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.methods import QUICK_METHODS
from cxr_gradcam.evaluation.localization import random_map
from cxr_gradcam.evaluation.metrics import mean_intervals
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

STEPS = 16
"""Of deletion and insertion: each moves as many pixels."""
BLUR = 0.05
"""Standard deviation of the blur that insertion begins with, as a share of the side."""
CASCADE = ("fc", "layer4", "layer3", "layer2", "layer1", "conv1")
"""What is made random, one after the other."""


def measure_faithfulness(
    model: ResNet50FineTuned, radiographs: Sequence[Radiograph]
) -> list[dict[str, Any]]:
    """Measure deletion and insertion for the quick methods, and for chance.

    Args:
        model: with Grad-CAM enabled.
        radiographs: at least one.

    Returns:
        Rows {"method", "cases", "deletion", "insertion"}: the mean probability of the predicted
        class while pixels go (lower is better) or come (higher is better), with its 95 % bootstrap
        interval over the radiographs.
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    console = Console(stderr=True)
    for number, radiograph in enumerate(
        track(radiographs, "deleting and inserting", console=console, transient=True)
    ):
        x = model.preprocessing.prepare(radiograph)
        forward_pass = model.record(x)
        class_idx = int(forward_pass.logits[0].argmax())
        for method in (*QUICK_METHODS, "chance"):
            order = _order(forward_pass, method, class_idx, number)
            curves.setdefault(method, []).append(_areas(model, forward_pass, order, class_idx))
    return [
        {"method": method, "cases": len(areas)}
        | mean_intervals(np.array(areas), ("deletion", "insertion"))
        for method, areas in curves.items()
    ]


def measure_sanity(
    model: ResNet50FineTuned, radiographs: Sequence[Radiograph]
) -> list[dict[str, Any]]:
    """Measure how like themselves the maps stay while the network is made random.

    Args:
        model: with Grad-CAM enabled; a copy is made random.
        radiographs: at least one.

    Returns:
        Rows {"method", "cases", one per layer of `CASCADE`}: the mean rank correlation of the
        first predicted class's maps with those of the trained network, where everything from the
        head to that layer is random. 1 is unchanged; 0 where one of the maps is empty.
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
    """Give Spearman's correlation of two maps (H, W), 0 where one of them is flat."""
    ranks = [rankdata(each) - (each.size + 1) / 2 for each in (first, second)]
    norms = [float(np.linalg.norm(each)) for each in ranks]
    return float(ranks[0] @ ranks[1] / (norms[0] * norms[1])) if all(norms) else 0.0


def deletion_insertion(x: Tensor, order: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
    """Take pixels away, and bring them back, in an order.

    Args:
        x: one normalised image (1, C, H, W).
        order: (H * W,), indices of the pixels, the most important first.

    Returns:
        The image with the first 0, 1/STEPS, … of the pixels at the mean of the training images;
        and a blurred image with as many as they are. Both (STEPS + 1, C, H, W).
    """
    height, width = x.shape[-2:]
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    bounds = np.linspace(0, len(order), STEPS + 1).round()
    chosen = torch.from_numpy(rank.reshape(1, 1, height, width) < bounds[:, None, None, None])
    pixels = x[0].permute(1, 2, 0).numpy()
    blurred = cv2.GaussianBlur(pixels, (0, 0), BLUR * width).reshape(pixels.shape)
    background = torch.from_numpy(blurred).permute(2, 0, 1)[None]
    return torch.where(chosen, torch.zeros_like(x), x), torch.where(chosen, x, background)


def _order(forward_pass: ForwardPass, method: str, class_idx: int, number: int) -> NDArray[np.intp]:
    if method == "chance":
        heatmap = random_map((forward_pass.x.shape[-2], forward_pass.x.shape[-1]), number)
    else:
        heatmap = forward_pass.maps(class_idx, method)[0][0].numpy()
    return np.argsort(-heatmap, axis=None, kind="stable")


def _areas(
    model: ResNet50FineTuned, forward_pass: ForwardPass, order: NDArray[np.intp], class_idx: int
) -> tuple[float, float]:
    deletion, insertion = (
        model.calibration.probabilities(forward_pass.forward(images), model.multi_label)[
            :, class_idx
        ]
        for images in deletion_insertion(forward_pass.x, order)
    )
    return float(deletion.mean()), float(insertion.mean())


def _heatmaps(
    model: ResNet50FineTuned, x: Tensor, class_idx: Tensor
) -> dict[str, NDArray[np.float32]]:
    forward_pass = model.record(x)
    return {method: forward_pass.maps(class_idx, method)[0].numpy() for method in QUICK_METHODS}


def _randomize(layer: torch.nn.Module) -> None:
    for module in layer.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()  # type: ignore[operator]
