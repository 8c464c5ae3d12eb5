"""Effect of covering a place on the answer, on synthetic chests with a known healthy twin."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from cxr_gradcam.anatomy.filling import outside
from cxr_gradcam.data.cases import FIRST_PHANTOM
from cxr_gradcam.data.findings import require_finding
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, mean_intervals
from cxr_gradcam.explanation import examine
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.synthetic.chest import draw_phantom

SIZE = 224
CALLED_FROM = 0.3
"""The threshold for calling a chest ill if the weights have no operating point."""


def study(model: Classifier, count: int, named: str | None = None) -> dict[str, Any]:
    """Study the effect of covering a place on the answer.

    Args:
        model: a model with Grad-CAM enabled.
        count: the number of synthetic chests with an opacity that the model calls ill.
        named: the name of the class that is the finding; None if the weights or the class names
            show it.

    Returns:
        {"title", "about", "rows"}; the rows are those of `measure_covering`.

    Raises:
        ValueError: the finding is not clear, or too few chests are called ill.
    """
    finding = require_finding(model.class_names, named or model.finding, "--cover")
    return {
        "title": "What covering a place does to the answer",
        "about": (
            f"{finding} on {count} synthetic chests that are called ill, and on their healthy "
            "twins, which differ by the opacity alone. Left: the probability with the place "
            "covered. Distance: from the probability that it should have then, which is the "
            "twin's where the opacity is covered, and the one of before elsewhere. "
            f"{IN_BRACKETS} over the chests."
        ),
        "rows": measure_covering(model, finding, count),
    }


def measure_covering(model: Classifier, finding: str, count: int) -> list[dict[str, Any]]:
    """Measure covering at the opacity, at the mirrored place, outside the lungs and on the twin.

    Args:
        model: a model with Grad-CAM enabled.
        finding: the class whose probability is measured.
        count: the number of pairs.

    Returns:
        Rows {"covered", "pairs", "before", "left", "distance"}.

    Raises:
        ValueError: fewer than `count` chests out of four times as many are called ill.
    """
    found: dict[str, list[tuple[float, float, float]]] = {}
    console = Console(stderr=True)
    for seed in track(range(4 * count), "covering", console=console, transient=True):
        for name, figures in _pair(model, finding, FIRST_PHANTOM + seed):
            found.setdefault(name, []).append(figures)
        if found and len(found[_TRUE]) == count:
            return [_row(name, rows) for name, rows in found.items()]
    raise ValueError(f"fewer than {count} of {4 * count} synthetic chests are called {finding}")


_TRUE = "the opacity"


def _pair(
    model: Classifier, finding: str, seed: int
) -> list[tuple[str, tuple[float, float, float]]]:
    """Return (before, left, distance) of each place; none if the chest is not called ill."""
    ill = draw_phantom(seed, size=SIZE, opacity=True)
    examination = examine(model, Radiograph(ill.pixels))
    before = examination.probabilities[finding]
    if before < _threshold(model) or not ill.has_opacity:
        return []
    twin = examine(model, Radiograph(draw_phantom(seed, size=SIZE).pixels))
    healthy = twin.probabilities[finding]
    outside_lungs = outside(ill.right_lung | ill.left_lung)
    named = [
        (_TRUE, examination, ill.lesion_mask, healthy),
        ("the same place of the other side", examination, ill.lesion_mask[:, ::-1], before),
        ("the place, on the healthy twin", twin, ill.lesion_mask, healthy),
        ("everything but the lungs", examination, outside_lungs, before),
        ("everything but the lungs, on the twin", twin, outside_lungs, healthy),
    ]
    figures = []
    for name, one, place, expected in named:
        left = one.cover(np.ascontiguousarray(place)).probabilities[finding]
        figures.append((name, (one.probabilities[finding], left, abs(left - expected))))
    return figures


def _threshold(model: Classifier) -> float:
    point = model.calibration.operating_point
    return CALLED_FROM if point is None else point.threshold


def _row(name: str, rows: list[tuple[float, float, float]]) -> dict[str, Any]:
    row = {"covered": name, "pairs": len(rows)}
    return row | mean_intervals(np.array(rows), ("before", "left", "distance"))
