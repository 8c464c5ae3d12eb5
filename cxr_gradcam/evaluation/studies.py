"""Trust: the measures of the maps and of the gate as results to print, store and show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cxr_gradcam.data.cases import read_boxes
from cxr_gradcam.data.image_folder import image_folder, read_listed
from cxr_gradcam.evaluation.faithfulness import CASCADE, STEPS, measure_faithfulness, measure_sanity
from cxr_gradcam.evaluation.localization import (
    SLOW_CASES,
    THRESHOLD,
    measure_localization,
    phantom_cases,
)
from cxr_gradcam.evaluation.ood import measure_ood
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

Result = dict[str, Any]

_BRACKETS = "In brackets: 95 % interval"


def localization(
    model: ResNet50FineTuned, count: int, boxes: Path | None = None, images: Path | None = None
) -> Result:
    """Say how well the maps find a finding: on synthetic radiographs, or in the boxes of a CSV."""
    finding = _finding(model)
    if boxes is None:
        cases, shown = phantom_cases(count), "synthetic X-rays that no training has seen"
    else:
        cases = read_boxes(boxes, images or boxes.parent, finding)[:count]
        shown = "X-rays with boxes"
    return {
        "title": "How well the maps find the lesion",
        "about": (
            f"{finding} on {len(cases)} {shown}; the slow methods on the first {SLOW_CASES}, and "
            "not to be compared with the others. Hit rate: how often the hottest place lies in the "
            "lesion. mIoU: overlap of the lesion and of what exceeds "
            f"{THRESHOLD:.0%} of the maximum, over their union. Energy: share of the map inside "
            f"the lesion. {_BRACKETS} over the X-rays. The last two rows look at nothing."
        ),
        "rows": measure_localization(model, finding, cases),
    }


def faithfulness(model: ResNet50FineTuned, data: Sequence[Path], count: int) -> Result:
    """Say whether the pixels that a map marks are those that the answer rests on."""
    radiographs = some_radiographs(data, count)
    return {
        "title": "Whether the answer rests on what the maps show",
        "about": (
            f"{len(radiographs)} X-rays. Deletion: the predicted class's mean probability while "
            f"pixels are taken away in the map's order, in {STEPS} steps (lower is better). "
            "Insertion: the same while they come back into a blurred picture (higher is better). "
            f"{_BRACKETS} over the X-rays."
        ),
        "rows": measure_faithfulness(model, radiographs),
    }


def sanity(model: ResNet50FineTuned, data: Sequence[Path], count: int) -> Result:
    """Say whether the maps depend on what the network has learnt."""
    radiographs = some_radiographs(data, count)
    return {
        "title": "Whether the maps depend on what the model has learnt",
        "about": (
            f"{len(radiographs)} X-rays. The network is made random from its head ({CASCADE[0]}) "
            "to its first layer; shown is the rank correlation of the maps with those of the "
            f"trained network, which must fall. {_BRACKETS} over the X-rays."
        ),
        "rows": measure_sanity(model, radiographs),
    }


def ood(model: ResNet50FineTuned, data: Sequence[Path], count: int) -> Result:
    """Say how many pictures that are no frontal chest radiographs the model notices."""
    return {
        "title": "Whether it notices what is not its business",
        "about": (
            "The share of pictures that the app calls unlike those of the training, and the AUROC "
            f"of the score behind it against the X-rays of the first row. {_BRACKETS} over the "
            "origins: parts of one picture are one. Drawings are simple, and real limbs or lateral "
            "views may be noticed less often."
        ),
        "rows": measure_ood(model, some_radiographs(data, count)),
    }


def some_radiographs(data: Sequence[Path], count: int) -> list[Radiograph]:
    """Read radiographs spread evenly over folders with one folder per class.

    Without a folder: synthetic ones with an opacity, that no training has seen.
    """
    if not data:
        return [case.radiograph for case in phantom_cases(count)]
    paths = [path for folder in data for path, _ in image_folder(folder).samples]
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    return [read_listed(paths[index]) for index in chosen]


def _finding(model: ResNet50FineTuned) -> str:
    point = model.calibration.operating_point
    return model.class_names[-1] if point is None else point.class_name
