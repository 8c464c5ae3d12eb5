"""Steadiness by method and detail, and whether maps change when answers do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from cxr_gradcam.cam.methods import QUICK_METHODS
from cxr_gradcam.data.cases import some_radiographs
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, Estimate, mean_intervals, with_intervals
from cxr_gradcam.explanation import Question
from cxr_gradcam.explanation.question import finest_layers
from cxr_gradcam.explanation.steadiness import ChangedPasses, Steadiness
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.classifier import Classifier

MEANS = ("wandering", "overlap", "probability change")
ABOUT = (
    "Each X-ray also under sixteen small changes (shift, turn, brightness, contrast, noise, size); "
    "maps of the predicted class. Wandering: how far the hottest place moves, as a share of the "
    "side. Overlap: intersection over union of the regions above half of the maximum. PSC: "
    "correlation between the change of the probability and the change of the map (1 - SSIM)."
)


def study(model: Classifier, data: Sequence[Path], count: int) -> dict[str, Any]:
    """Study how far answers and maps move under small changes.

    Args:
        model: a model with Grad-CAM enabled.
        data: folders with one folder of radiographs per class; none for synthetic radiographs.
        count: the greatest number of radiographs.

    Returns:
        {"title", "about", "rows"}; the rows are those of `measure`.

    Raises:
        RadiographError: a file cannot be read.
    """
    radiographs = some_radiographs(data, count)
    return {
        "title": "How steady answers and maps are",
        "about": f"{len(radiographs)} X-rays. {ABOUT} {IN_BRACKETS} over the X-rays.",
        "rows": measure(model, radiographs),
    }


def measure(model: Classifier, radiographs: Sequence[Radiograph]) -> list[dict[str, Any]]:
    """Measure the steadiness of every quick method at every detail.

    Args:
        model: a model with Grad-CAM enabled.
        radiographs: at least one radiograph.

    Returns:
        Rows {"method", "detail", "cases", "wandering", "overlap", "probability change", "PSC"},
        each figure with its 95 % bootstrap interval over the radiographs; "PSC" is "" if no answer
        or no map changed.
    """
    found: dict[tuple[str, str], list[Steadiness]] = {}
    console = Console(stderr=True)
    layers = finest_layers(model)
    for radiograph in track(radiographs, "changing a little", console=console, transient=True):
        passes = ChangedPasses.of(model, model.record(model.prepare(radiograph), layers), layers)
        for method in QUICK_METHODS:
            for detail in model.detail:
                question = Question(method=method, detail=detail)
                found.setdefault((method, detail), []).append(passes.steadiness(question))
    return [
        {"method": method, "detail": detail, "cases": len(measured)} | figures(measured)
        for (method, detail), measured in found.items()
    ]


def figures(measured: Sequence[Steadiness]) -> dict[str, Any]:
    """Return the means of `MEANS` and the prediction-saliency correlation, with intervals."""
    columns = [(each.wandering, each.overlap, each.probability_change) for each in measured]
    psc = prediction_saliency_correlation(measured)
    return mean_intervals(np.array(columns), MEANS) | {"PSC": psc or ""}


def prediction_saliency_correlation(steadiness: Sequence[Steadiness]) -> Estimate | None:
    """Return the correlation between the changes of answers and of maps.

    It shows whether maps change when answers do (Zhang et al., Radiology: Artificial Intelligence
    2023). Each small change of each radiograph is one pair.

    Args:
        steadiness: the steadiness of at least one radiograph.

    Returns:
        {"value", "low", "high"}: Pearson's correlation with its 95 % bootstrap interval over the
        radiographs; None if all changes of the answers, or of the maps, are the same.
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
