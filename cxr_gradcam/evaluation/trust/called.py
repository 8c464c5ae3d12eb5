"""Radiographs called ill: whether place, steadiness and covering separate right from wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from cxr_gradcam.anatomy.zones import LUNG_ZONES, Place
from cxr_gradcam.data.cases import evenly_spaced
from cxr_gradcam.data.patients import print_notes
from cxr_gradcam.data.selection import LabelledRadiograph, Selection, select_radiographs
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, with_intervals
from cxr_gradcam.evaluation.metrics import weighted_auc
from cxr_gradcam.explanation import examine
from cxr_gradcam.explanation.steadiness import Steadiness, Word
from cxr_gradcam.imaging.reading import read_named
from cxr_gradcam.models.classifier import Classifier

STAYS = 0.05
"""The hottest place counts as unmoved up to this distance, as a share of the picture's side."""


@dataclass(frozen=True)
class Called:
    """A radiograph that a model called ill, with checks of the answer.

    Attributes:
        patient: the patient's name.
        is_right: whether the radiograph shows the finding.
        probability: the probability of the finding.
        place: the place of the map; None if no plausible lungs were outlined.
        steadiness: the steadiness of answer and map.
        left: the probability with the hottest place covered; NaN if the map is empty.
    """

    patient: str
    is_right: bool
    probability: float
    place: Place | None
    steadiness: Steadiness
    left: float

    def figures(self) -> dict[str, float]:
        """Return the measured values by name; NaN for a value that cannot be measured."""
        place = self.place
        return {
            "right": float(self.is_right),
            "probability": self.probability,
            "in the lungs": float("nan") if place is None else float(place.zone in LUNG_ZONES),
            "share in the lungs": float("nan") if place is None else place.share_in_lungs,
            "stays": float(self.steadiness.wandering <= STAYS),
            "overlap": self.steadiness.overlap,
            "probability change": self.steadiness.probability_change,
            "falls by half": _is_below(self.left, self.probability / 2),
        }


def study(model: Classifier, selection: Selection, count: int) -> dict[str, Any]:
    """Study how place, steadiness and covering differ between right and wrong answers.

    Args:
        model: a model with Grad-CAM enabled and an operating point.
        selection: the radiographs, with their reads.
        count: the greatest number of radiographs, called or not.

    Returns:
        {"title", "about", "rows"}; the rows are those of `measure_called`.

    Raises:
        ValueError: there is no operating point, no radiograph is called ill, a folder is no class,
            or a table is invalid.
        RadiographError: a picture cannot be read.
    """
    called = called_radiographs(model, selection, count)
    return {
        "title": "What can be checked of the X-rays that are called",
        "about": (
            f"{in_words(called)} The columns are of the Grad-CAM map of the finding: how often the "
            "hottest place is in a lung or hilum; the share of the map's sum that is; how often "
            f"the hottest place stays within {STAYS:.0%} of the side under sixteen small changes; "
            "how much the regions above half of the maximum overlap then; how far the probability "
            "moves; and how often it falls by half when the hottest place is covered. AUC: how "
            "well more of each tells right from wrong answers; 0.5 is no better than chance. "
            f"{IN_BRACKETS} over the patients."
        ),
        "rows": measure_called(called),
    }


def in_words(called: Sequence[Called]) -> str:
    """Say what was found for right answers, and for wrong ones."""
    said = []
    for which, is_right in (("rightly", True), ("wrongly", False)):
        group = [each for each in called if each.is_right == is_right]
        if group:
            columns, _ = _columns(group)
            inside, stays, falls = (
                f"{100 * _mean(columns[key], np.ones(len(group))):.0f}"
                for key in ("in the lungs", "stays", "falls by half")
            )
            said.append(
                f"Of 100 X-rays that are called {which} ({len(group)} measured), the hottest place "
                f"is in the lungs in {inside} and stays there under small changes in {stays}; the "
                f"probability falls by half in {falls} when it is covered."
            )
    return " ".join(said)


def called_radiographs(model: Classifier, selection: Selection, count: int) -> list[Called]:
    """Check the radiographs that a model calls ill.

    Raises:
        ValueError, RadiographError: as `study`.
    """
    point = model.calibration.operating_point
    if point is None:
        raise ValueError("these weights have no operating point: fit one with calibrate")
    listed, notes = select_radiographs(selection, model.class_names, point.class_name)
    print_notes(notes)
    known = [each for each in listed if not each.is_other]
    known = [known[index] for index in evenly_spaced(len(known), count)]
    console = Console(stderr=True)
    rows = [
        row
        for each in track(known, "checking", console=console, transient=True)
        if (row := _called(model, each, point.class_name, point.threshold)) is not None
    ]
    if not rows:
        raise ValueError(
            "none of these X-rays is called the finding, so there is no map to measure: add X-rays "
            "that show it"
        )
    return rows


def _called(
    model: Classifier, labelled: LabelledRadiograph, finding: str, threshold: float
) -> Called | None:
    examination = examine(model, read_named(str(labelled.path)))
    probability = examination.probabilities[finding]
    if probability < threshold:
        return None
    explanation = examination.explain(finding)
    left = float("nan")
    if not explanation.is_empty:
        left = examination.cover(explanation.marked).probabilities[finding]
    is_right = model.class_names[labelled.label] == finding
    steadiness = examination.steadiness(finding)
    return Called(labelled.patient, is_right, probability, explanation.place, steadiness, left)


def _is_below(value: float, bound: float) -> float:
    return float("nan") if np.isnan(value) else float(value < bound)


def measure_called(called: Sequence[Called]) -> list[dict[str, Any]]:
    """Measure right and wrong answers, and the answers with each word of steadiness.

    Args:
        called: radiographs from `called_radiographs`.

    Returns:
        Rows {"answers", "images", and the keys of `Called.figures`} for all answers, the right
        ones, the wrong ones, and each word; then the AUC of each figure for right against wrong.
    """
    groups = {
        "all": list(called),
        "right": [each for each in called if each.is_right],
        "wrong": [each for each in called if not each.is_right],
    }
    for word in get_args(Word):
        groups[word] = [each for each in called if each.steadiness.word == word]
    rows = [_row(name, group) for name, group in groups.items() if group]
    if groups["right"] and groups["wrong"]:
        rows.append(_aucs(called))
    return rows


def _row(name: str, group: Sequence[Called]) -> dict[str, Any]:
    columns, patients = _columns(group)

    def means(weights: NDArray[np.floating]) -> dict[str, float]:
        return {key: _mean(values, weights) for key, values in columns.items()}

    return _filled(
        {"answers": name, "images": len(group)}, columns, with_intervals(means, patients)
    )


def _aucs(called: Sequence[Called]) -> dict[str, Any]:
    columns, patients = _columns(called)
    is_right = columns["right"] > 0

    def aucs(weights: NDArray[np.floating]) -> dict[str, float]:
        return {
            key: _auc(is_right, values, weights)
            for key, values in columns.items()
            if key != "right"
        }

    start = {"answers": "AUC, right against wrong", "images": len(called)}
    return _filled(start, columns, with_intervals(aucs, patients))


def _filled(
    start: dict[str, Any], columns: dict[str, NDArray[np.float64]], figures: dict[str, Any]
) -> dict[str, Any]:
    """Put figures in the order of the columns; "" for an unknown figure."""
    return start | {key: figures.get(key, "") for key in columns}


def _columns(
    called: Sequence[Called],
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.str_]]:
    figures = [each.figures() for each in called]
    columns = {key: np.array([each[key] for each in figures]) for key in figures[0]}
    return columns, np.array([each.patient for each in called])


def _mean(values: NDArray[np.float64], weights: NDArray[np.floating]) -> float:
    known = ~np.isnan(values)
    total = weights[known].sum()
    return float((values[known] * weights[known]).sum() / total) if total else float("nan")


def _auc(
    is_right: NDArray[np.bool_], values: NDArray[np.float64], weights: NDArray[np.floating]
) -> float:
    known = ~np.isnan(values)
    return weighted_auc(is_right[known], values[known], weights[known])
