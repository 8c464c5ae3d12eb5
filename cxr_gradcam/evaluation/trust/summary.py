"""How trustworthy maps are: the four tests of Arun et al., and further measures.

Arun et al. (Radiology: Artificial Intelligence 2021) test whether maps find a known lesion, change
when the weights become random, stay the same under irrelevant changes, and agree between trainings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from cxr_gradcam.cam.methods import QUICK_METHODS
from cxr_gradcam.data.cases import phantom_cases, some_radiographs
from cxr_gradcam.data.findings import require_finding
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, mean_intervals
from cxr_gradcam.evaluation.localization import measure_map
from cxr_gradcam.evaluation.sanity import CASCADE, measure_sanity
from cxr_gradcam.evaluation.trust.road import arcc, road
from cxr_gradcam.evaluation.trust.steadiness import ABOUT, figures
from cxr_gradcam.explanation import examine
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.explanation.steadiness import ChangedPasses, Steadiness, overlap
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

Rows = dict[str, dict[str, Any]]


def study(
    model: Classifier,
    data: Sequence[Path],
    count: int,
    other: Classifier | None = None,
    named: str | None = None,
) -> dict[str, Any]:
    """Study how trustworthy maps are.

    Args:
        model: a model with Grad-CAM enabled.
        data: folders with one folder of radiographs per class; none for synthetic radiographs.
        count: the greatest number of radiographs.
        other: another training of the same task, whose maps should agree; None for none.
        named: the name of the class that is the finding; None if the weights or the class names
            show it.

    Returns:
        {"title", "about", "rows"}; rows {"method", "cases", and the figures of `measure_trust`}.

    Raises:
        ValueError: the finding is not clear, or the other model does not have it.
        RadiographError: a file cannot be read.
    """
    radiographs = some_radiographs(data, count)
    finding = require_finding(model.class_names, named or model.finding, "--trust")
    missing = [] if other is not None else ["the agreement of two trainings needs --other"]
    if not isinstance(model, ResNet50FineTuned):
        missing.append("weights of other networks than the package's are not made random")
    not_measured = f" Not measured: {'; '.join(missing)}." if missing else ""
    return {
        "title": "How far the maps deserve belief",
        "about": (
            f"{len(radiographs)} X-rays, coarse maps. Localisation: how often the hottest place of "
            f"the map of {finding} lies in the opacity of {count} synthetic chests. Randomisation: "
            "rank correlation with the maps of the network made random, which should be near 0. "
            f"Agreement: overlap with the maps of the other training. {ABOUT} ROAD: above 0 the "
            "answer rests more on what the map marks than on the rest. ARCC: coherency, simplicity "
            f"and ROAD in one. {IN_BRACKETS} over the X-rays. Deletion and insertion: "
            f"--faithfulness.{not_measured}"
        ),
        "rows": measure_trust(model, radiographs, finding, count, other),
    }


def measure_trust(
    model: Classifier,
    radiographs: Sequence[Radiograph],
    finding: str,
    phantoms: int,
    other: Classifier | None = None,
) -> list[dict[str, Any]]:
    """Measure the quick methods.

    Args:
        model: a model with Grad-CAM enabled.
        radiographs: at least one radiograph.
        finding: the class that is localised.
        phantoms: the number of synthetic chests with an opacity.
        other: another training; None for none.

    Returns:
        Rows {"method", "cases", "localisation", "randomisation", "wandering", "overlap",
        "probability change", "PSC", "agreement", "ROAD", "ARCC"}, each figure with its 95 %
        bootstrap interval; "" for what is not measured.
    """
    localised = _localised(model, finding, phantoms)
    random = _randomised(model, radiographs)
    stays = _repeated(model, radiographs)
    agrees = _agreement(model, other, radiographs, finding)
    rests = _rests(model, radiographs)
    return [
        {"method": method, "cases": len(radiographs)}
        | {"localisation": localised[method], "randomisation": random.get(method, "")}
        | figures(stays[method])
        | {"agreement": agrees.get(method, "")}
        | rests[method]
        for method in QUICK_METHODS
    ]


def _localised(model: Classifier, finding: str, count: int) -> Rows:
    """Return each method's hit rate on synthetic chests with an opacity."""
    hits: dict[str, list[float]] = {method: [] for method in QUICK_METHODS}
    for case in _tracked(phantom_cases(count), "localising"):
        examination = examine(model, case.radiograph)
        for method in QUICK_METHODS:
            hit, *_ = measure_map(examination.explain(finding, method).heatmap, case.mask)
            hits[method].append(hit)
    return {method: _mean(each) for method, each in hits.items()}


def _randomised(model: Classifier, radiographs: Sequence[Radiograph]) -> Rows:
    """Return each method's rank correlation with maps of a fully randomised network."""
    if not isinstance(model, ResNet50FineTuned):
        return {}
    return {row["method"]: row[CASCADE[-1]] for row in measure_sanity(model, radiographs)}


def _repeated(model: Classifier, radiographs: Sequence[Radiograph]) -> dict[str, list[Steadiness]]:
    found: dict[str, list[Steadiness]] = {method: [] for method in QUICK_METHODS}
    for radiograph in _tracked(radiographs, "changing a little"):
        passes = ChangedPasses.of(model, model.record(model.prepare(radiograph)), None)
        for method in QUICK_METHODS:
            found[method].append(passes.steadiness(Question(method=method)))
    return found


def _agreement(
    model: Classifier, other: Classifier | None, radiographs: Sequence[Radiograph], finding: str
) -> Rows:
    """Return how much the regions above half of the maximum overlap between two trainings."""
    if other is None:
        return {}
    found: dict[str, list[float]] = {method: [] for method in QUICK_METHODS}
    for radiograph in _tracked(radiographs, "comparing"):
        pair = [examine(each, radiograph) for each in (model, other)]
        for method in QUICK_METHODS:
            one, two = (each.explain(finding, method).heatmap for each in pair)
            found[method].append(overlap(one, two))
    return {method: _mean(each) for method, each in found.items()}


def _rests(model: Classifier, radiographs: Sequence[Radiograph]) -> Rows:
    found: dict[str, list[tuple[float, float]]] = {method: [] for method in QUICK_METHODS}
    for radiograph in _tracked(radiographs, "removing pixels"):
        for method in QUICK_METHODS:
            found[method].append(_faithful(model, radiograph, method))
    return {
        method: mean_intervals(np.array(each), ("ROAD", "ARCC")) for method, each in found.items()
    }


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


def _mean(values: Sequence[float]) -> dict[str, Any]:
    return mean_intervals(np.array(values)[:, None], ("mean",))["mean"]


def _tracked(each: Sequence[Any], what: str) -> Any:  # noqa: ANN401 - as in rich.progress
    return track(each, what, console=Console(stderr=True), transient=True)
