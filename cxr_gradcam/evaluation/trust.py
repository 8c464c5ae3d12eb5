"""Trust: whether maps stay under small changes, move with the answer, and mark what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor

from cxr_gradcam.cam.methods import QUICK_METHODS
from cxr_gradcam.data.cases import some_radiographs
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, Estimate, mean_intervals, with_intervals
from cxr_gradcam.evaluation.road import arcc, road
from cxr_gradcam.evaluation.steadiness import Steadiness, measure_steadiness
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.classifier import Classifier

_MEANS = ("wandering", "overlap", "probability change", "ROAD", "ARCC")


def study(model: Classifier, data: Sequence[Path], count: int) -> dict[str, Any]:
    """Study how far maps deserve belief.

    Args:
        model: a model with Grad-CAM enabled.
        data: folders with one folder of radiographs per class; none for synthetic radiographs.
        count: the greatest number of radiographs.

    Returns:
        {"title", "about", "rows"}; the rows are those of `measure_trust`.

    Raises:
        RadiographError: a file that cannot be read.
    """
    radiographs = some_radiographs(data, count)
    return {
        "title": "How far the maps deserve belief",
        "about": (
            f"{len(radiographs)} X-rays, each also under sixteen small changes (shift, turn, "
            "brightness, contrast, noise, size); maps of the predicted class. Wandering: how far "
            "the hottest place moves, as a share of the side. Overlap: intersection over union of "
            "the regions above half of the maximum. PSC: correlation between the change of the "
            "probability and the change of the map (1 - SSIM). ROAD: above 0 the answer rests more "
            "on what the map marks than on the rest. ARCC: coherency, simplicity and ROAD in one. "
            f"{IN_BRACKETS} over the X-rays. Localisation and randomisation: --localisation, "
            "--sanity. The agreement of two trainings needs a second model and is not measured."
        ),
        "rows": measure_trust(model, radiographs),
    }


def measure_trust(model: Classifier, radiographs: Sequence[Radiograph]) -> list[dict[str, Any]]:
    """Measure steadiness, prediction-saliency correlation, ROAD and ARCC of the quick methods.

    Args:
        model: a model with Grad-CAM enabled.
        radiographs: at least one radiograph.

    Returns:
        Rows {"method", "cases", "wandering", "overlap", "probability change", "ROAD", "ARCC",
        "PSC"}, each figure with its 95 % bootstrap interval over the radiographs; "PSC" is "" where
        no answer or no map changed.
    """
    found: dict[str, list[tuple[Steadiness, float, float]]] = {}
    console = Console(stderr=True)
    for radiograph in track(radiographs, "trusting", console=console, transient=True):
        for method in QUICK_METHODS:
            steadiness = measure_steadiness(model, radiograph, method=method)
            found.setdefault(method, []).append((steadiness, *_faithful(model, radiograph, method)))
    return [_row(method, measured) for method, measured in found.items()]


def prediction_saliency_correlation(steadiness: Sequence[Steadiness]) -> Estimate | None:
    """Return the correlation between the changes of answers and of maps.

    It asks whether maps move when answers do (Zhang et al., Radiology: Artificial Intelligence
    2023). Each small change of each radiograph is one pair.

    Args:
        steadiness: of at least one radiograph.

    Returns:
        {"value", "low", "high"}: Pearson's correlation with its 95 % bootstrap interval over the
        radiographs; None where all changes of the answers, or of the maps, are the same.
    """
    answers = np.concatenate([each.probability_changes for each in steadiness])
    maps = np.concatenate([each.map_changes for each in steadiness])
    names = np.repeat(np.arange(len(steadiness)), [len(each.map_changes) for each in steadiness])

    def correlation(weights: NDArray[np.floating]) -> dict[str, float]:
        return {"PSC": _weighted_correlation(answers, maps, weights)}

    return with_intervals(correlation, names.astype(str)).get("PSC")


def _weighted_correlation(
    one: NDArray[np.float64], other: NDArray[np.float64], weights: NDArray[np.floating]
) -> float:
    (a, ab), (_, b) = np.cov(one, other, aweights=weights, ddof=0)
    return float(ab / np.sqrt(a * b)) if a > 0 and b > 0 else float("nan")


def _faithful(model: Classifier, radiograph: Radiograph, method: str) -> tuple[float, float]:
    """Return ROAD and ARCC of the predicted class's map, by its calibrated probability."""
    x = model.prepare(radiograph)
    forward_pass = model.record(x)
    class_idx = int(forward_pass.logits[0].argmax())

    def score(images: Tensor) -> Tensor:
        logits = forward_pass.forward(images.to(x))
        return model.calibration.probabilities(logits, model.multi_label)[:, class_idx].cpu()

    heatmap = forward_pass.maps(class_idx, method)[0][0].float().cpu().numpy()
    masked = model.record(x * torch.from_numpy(heatmap).to(x))
    of_masked = masked.maps(class_idx, method)[0][0].float().cpu().numpy()
    on_cpu = x.detach().float().cpu()
    return road(score, on_cpu, heatmap), arcc(score, on_cpu, heatmap, of_masked)


def _row(method: str, measured: Sequence[tuple[Steadiness, float, float]]) -> dict[str, Any]:
    columns = [
        (each.wandering, each.overlap, each.probability_change, of_road, of_arcc)
        for each, of_road, of_arcc in measured
    ]
    psc = prediction_saliency_correlation([each for each, *_ in measured])
    figures = mean_intervals(np.array(columns), _MEANS)
    return {"method": method, "cases": len(measured)} | figures | {"PSC": psc or ""}
