"""Out-of-distribution: how well a model detects images that are no frontal chest radiographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from cxr_gradcam.anatomy.outline import outline_lungs
from cxr_gradcam.data.cases import evenly_spaced, some_radiographs
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, with_intervals
from cxr_gradcam.evaluation.metrics import weighted_auc
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.synthetic.non_chest import Grey, ood_images

Scores = NDArray[np.floating]

CORRUPTED = 40
"""The greatest number of radiographs that are turned and inverted."""
BATCH_SIZE = 16


def study(model: ResNet50FineTuned, data: Sequence[Path], count: int) -> dict[str, Any]:
    """Study how many images that are no frontal chest radiographs a model detects.

    Args:
        model: a model with an out-of-distribution detector.
        data: folders with one folder of radiographs per class, which the detector should pass.
        count: the greatest number of radiographs.

    Returns:
        {"title", "about", "rows"}; the rows are those of `measure_ood`.

    Raises:
        ValueError: the model has no detector.
        RadiographError: a file cannot be read.
    """
    return {
        "title": "Whether it notices images that are no frontal chest X-rays",
        "about": (
            "The share of pictures that the app calls unlike those of the training, by the model's "
            "own detector or by the network that outlines the lungs, and the "
            f"AUROC of the score against the X-rays of the first row. {IN_BRACKETS} over the "
            "origins: parts of one picture are one. Drawings are simple, and real limbs or lateral "
            "views may be noticed less often."
        ),
        "rows": measure_ood(model, some_radiographs(data, count)),
    }


def measure_ood(
    model: ResNet50FineTuned,
    radiographs: Sequence[Radiograph],
    foreign: Mapping[str, Sequence[Sequence[Grey]]] | None = None,
) -> list[dict[str, Any]]:
    """Measure how well a model's detector separates other images from chest radiographs.

    Args:
        model: a model with an out-of-distribution detector.
        radiographs: frontal chest radiographs, at least one, which the detector should pass.
        foreign: {group: images by origin}, the images that the detector should reject; images cut
            from one picture have the same origin. None for `ood_images`.

    Returns:
        Rows {"pictures", "images", "origins", "noticed", "AUROC", "by the detector", "by the
        lungs"}: first the radiographs, then some of the radiographs turned and inverted, then each
        foreign group. "noticed" is the share that is out of distribution; "AUROC" is the area under
        the ROC curve of the score against the radiographs, "" in the first row. Both have a 95 %
        interval over origins. The last two are the shares that the model's detector and the lungs
        would reject alone.

    Raises:
        ValueError: the model has no detector.
    """
    if model.ood_detector is None:
        raise ValueError(
            "these weights have no out-of-distribution detector: fit one with the command calibrate"
        )
    pictures = [radiograph.pixels for radiograph in radiographs]
    groups = {name: _alone(group) for name, group in corruptions(pictures).items()}
    groups |= ood_images() if foreign is None else foreign
    known = _scores(model, pictures)
    rows = [_row("frontal chest X-ray", known, _alone(pictures), known[:0])]
    console = Console(stderr=True)
    for name, origins in track(
        groups.items(), "out of distribution", console=console, transient=True
    ):
        scores = _scores(model, [picture for origin in origins for picture in origin])
        rows.append(_row(name, scores, origins, known))
    return rows


def corruptions(radiographs: Sequence[Grey]) -> dict[str, list[Grey]]:
    """Invert and turn radiographs, as a wrong setting or export does.

    Args:
        radiographs: grey values (H, W) in [0, 1].

    Returns:
        {change: up to `CORRUPTED` changed radiographs}.
    """
    some = [radiographs[index] for index in evenly_spaced(len(radiographs), CORRUPTED)]
    return {
        "chest X-ray, black for white": [1 - picture for picture in some],
        "chest X-ray, turned by 90 degrees": [np.rot90(picture) for picture in some],
        "chest X-ray, upside down": [np.flipud(picture) for picture in some],
    }


def _scores(model: ResNet50FineTuned, pictures: Sequence[Grey]) -> Scores:
    """Return the scores (N, 2) of the detector and of the lungs, divided by their limits."""
    detector = model.ood_detector
    assert detector is not None  # measure_ood has checked this  # noqa: S101
    inputs = torch.cat([model.preprocessing.prepare(Radiograph(each)) for each in pictures])
    scores = [detector.score(model.features(batch)[0]) for batch in inputs.split(BATCH_SIZE)]
    by_detector = torch.cat(scores).numpy() / detector.threshold
    return np.stack([by_detector, [outline_lungs(Radiograph(each)).score for each in pictures]], 1)


def _alone(pictures: Sequence[Grey]) -> Sequence[Sequence[Grey]]:
    return [[picture] for picture in pictures]


def _row(
    name: str, scores: Scores, origins: Sequence[Sequence[Grey]], known: Scores
) -> dict[str, Any]:
    origin_of = np.repeat(np.arange(len(origins)), [len(origin) for origin in origins]).astype(str)
    worst = scores.max(axis=1)
    everything = np.concatenate([known.max(axis=1, initial=0), worst])
    is_other = np.arange(len(everything)) >= len(known)

    def noticed(weights: NDArray[np.floating]) -> dict[str, float]:
        return {"noticed": float(np.average(worst > 1, weights=weights))}

    def auroc(weights: NDArray[np.floating]) -> dict[str, float]:
        return {"AUROC": weighted_auc(is_other, everything, weights)}

    witnesses = np.concatenate([[f"known {number}" for number in range(len(known))], origin_of])
    row = {"pictures": name, "images": len(scores), "origins": len(origins)}
    row |= with_intervals(noticed, origin_of)
    by_detector, by_lungs = (scores > 1).mean(axis=0).tolist()
    return row | {
        "AUROC": with_intervals(auroc, witnesses).get("AUROC", ""),
        "by the detector": f"{by_detector:.3f}",
        "by the lungs": f"{by_lungs:.3f}",
    }
