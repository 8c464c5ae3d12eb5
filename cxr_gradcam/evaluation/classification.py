"""Evaluation: how often a model is right on radiographs whose class is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.data.patients import PatientRules
from cxr_gradcam.data.selection import Selection
from cxr_gradcam.evaluation.intervals import with_intervals
from cxr_gradcam.evaluation.metrics import BinaryPredictions, measure, weighted_auc
from cxr_gradcam.evaluation.predictions import Predictions, predict
from cxr_gradcam.models.calibration import OperatingPoint
from cxr_gradcam.models.classifier import Classifier


def evaluate(
    model: Classifier,
    data: Sequence[Path],
    *,
    reads: Sequence[Path] = (),
    only: Path | None = None,
    patients: PatientRules | None = None,
    finding: str | None = None,
) -> dict[str, Any]:
    """Measure a model on folders with one folder of radiographs per class.

    Args:
        model: the classifier.
        data: one folder per source (`folders_of`), with a folder for each class; the folders have
            the model's class names, in any case.
        reads: tables of radiologists' reads, which correct the labels.
        only: a CSV whose column `patient` names the patients to evaluate; None for all.
        patients: how patients are identified; None for the usual layouts.
        finding: the name of the class that is the finding; None if the weights or the class names
            show it.

    Returns:
        The figures, as `summarize` returns them.

    Raises:
        ValueError: a folder is no class of the model, two folders have the same name, a picture is
            in two classes, the finding is not clear, or a pattern or table cannot be used.
        RadiographError: a file cannot be read.
    """
    rules = PatientRules() if patients is None else patients
    return summarize(predict(model, Selection(data, reads, only, rules, finding)))


def summarize(predictions: Predictions) -> dict[str, Any]:
    """Compute all figures.

    Args:
        predictions: a model's predictions for radiographs.

    Returns:
        {"notes", "temperature", "findings": {name: {"threshold", "groups", "verdicts",
        "source_auc"}}}.

        - "notes": sentences on patients, copies and parts.
        - "groups": {group: figures}, the figures of `measure`. The groups are "all"; "source NAME"
        if there are several sources; "bacteria" and "virus", against all images without the
        finding; and, if there are reads, "AP", "PA", the age groups, and "against other findings":
        images with the finding against images that were read as something else. The latter are in
        no other group.
        - "verdicts": {group: {verdict: {"images", "with_finding"}}}; empty for a finding without
          an operating point.
        - "source_auc": {source: figure}, how well the probability separates images of one source
        without the finding from those of the others; 0.5 means not at all.
    """
    return {
        "notes": list(predictions.notes),
        "temperature": predictions.calibration.temperature,
        "findings": {name: _finding(predictions, name) for name in predictions.findings},
    }


def _finding(predictions: Predictions, name: str) -> dict[str, Any]:
    cases = predictions.cases(name)
    groups = {group: cases.only(chosen) for group, chosen in _groups(predictions, cases.actual)}
    point = predictions.calibration.point_of(name)
    return {
        "threshold": predictions.threshold(name),
        "groups": {group: measure(members) for group, members in groups.items()},
        "verdicts": {}
        if point is None
        else {group: _verdicts(point, members) for group, members in groups.items()},
        "source_auc": _source_auc(predictions, cases),
    }


def _groups(
    predictions: Predictions, actual: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    is_other, sources = predictions.is_other, predictions.sources
    yield "all", ~is_other
    if len(np.unique(sources)) > 1:
        for source in np.unique(sources):
            yield f"source {source}", (sources == source) & ~is_other
    for kind in np.unique(predictions.kinds[actual & (predictions.kinds != "")]):
        yield str(kind), ((predictions.kinds == kind) | ~actual) & ~is_other
    for known in (
        np.array([read.view for read in predictions.reads]),
        np.array([read.age_group for read in predictions.reads]),
    ):
        for name in np.unique(known[~is_other & (known != "")] if len(known) else known):
            yield str(name), (known == name) & ~is_other
    if is_other.any():
        read_too = np.isin(sources, np.unique(sources[is_other]))
        yield "against other findings", is_other | (actual & read_too)


def _verdicts(point: OperatingPoint, cases: BinaryPredictions) -> dict[str, dict[str, int]]:
    said = np.array([point.verdict(float(each)) for each in cases.probability])
    return {
        verdict: {
            "images": int((said == verdict).sum()),
            "with_finding": int(cases.actual[said == verdict].sum()),
        }
        for verdict in ("likely", "uncertain", "unlikely")
    }


def _source_auc(predictions: Predictions, cases: BinaryPredictions) -> dict[str, dict[str, float]]:
    without = ~cases.actual & ~predictions.is_other
    sources, patients = predictions.sources[without], cases.patients[without]
    probability = cases.probability[without]

    def auc(weights: NDArray[np.floating], of: NDArray[np.bool_]) -> dict[str, float]:
        return {"auc": weighted_auc(of, probability, weights)}

    figures: dict[str, dict[str, float]] = {}
    for source in np.unique(sources):
        of = sources == source
        found = with_intervals(lambda weights, of=of: auc(weights, of), patients)  # type: ignore[misc]
        figures |= {str(source): figure for figure in found.values()}
    return figures
