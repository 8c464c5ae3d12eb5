"""Faithfulness: whether a model's answer depends on the pixels that its maps mark.

Deletion and insertion (Petsiuk et al., BMVC 2018) remove or restore the pixels in the order of the
map, and follow the probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.methods import QUICK_METHODS
from cxr_gradcam.data.cases import some_radiographs
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, mean_intervals
from cxr_gradcam.evaluation.localization import random_map
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.classifier import Classifier

STEPS = 16
"""The number of steps of deletion and of insertion; all steps change equally many pixels."""
BLUR = 0.05
"""Standard deviation of the blur of insertion's first image, as a share of the side."""


def study(model: Classifier, data: Sequence[Path], count: int) -> dict[str, Any]:
    """Study whether a model's answer depends on the pixels that its maps mark.

    Args:
        model: a model with Grad-CAM enabled.
        data: folders with one folder of radiographs per class; none for synthetic radiographs.
        count: the greatest number of radiographs.

    Returns:
        {"title", "about", "rows"}; the rows are those of `measure_faithfulness`.

    Raises:
        RadiographError: a file cannot be read.
    """
    radiographs = some_radiographs(data, count)
    return {
        "title": "Whether the answer rests on what the maps show",
        "about": (
            f"{len(radiographs)} X-rays. Deletion: the predicted class's mean probability while "
            f"pixels are removed in the order of the map, in {STEPS} steps (lower is better). "
            "Insertion: the same while pixels are restored in a blurred X-ray (higher is better). "
            f"{IN_BRACKETS} over the X-rays."
        ),
        "rows": measure_faithfulness(model, radiographs),
    }


def measure_faithfulness(
    model: Classifier, radiographs: Sequence[Radiograph]
) -> list[dict[str, Any]]:
    """Measure deletion and insertion for the quick methods, and for chance.

    Args:
        model: a model with Grad-CAM enabled.
        radiographs: at least one radiograph.

    Returns:
        Rows {"method", "cases", "deletion", "insertion"}: the mean probability of the predicted
        class while pixels are removed (lower is better) or restored (higher is better), with a 95 %
        bootstrap interval over the radiographs.
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


def deletion_insertion(x: Tensor, order: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
    """Remove pixels from an image, and restore them in a blurred image, in a given order.

    Args:
        x: one normalised image (1, C, H, W).
        order: (H * W,), indices of the pixels, the most important first.

    Returns:
        The image whose first 0, 1 / STEPS, … of the pixels are replaced by the mean of the training
        images; and the blurred image whose first 0, 1 / STEPS, … of the pixels are restored. Both
        (STEPS + 1, C, H, W).
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
    model: Classifier, forward_pass: ForwardPass, order: NDArray[np.intp], class_idx: int
) -> tuple[float, float]:
    deletion, insertion = (
        model.calibration.probabilities(forward_pass.forward(images), model.multi_label)[
            :, class_idx
        ]
        for images in deletion_insertion(forward_pass.x, order)
    )
    return float(deletion.mean()), float(insertion.mean())
