"""Evaluation: how often a model is right on radiographs whose class is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor

from cxr_gradcam.cam.hooks import evaluating
from cxr_gradcam.data.image_folder import (
    PATIENT_PATTERN,
    image_folder,
    kind_of,
    patient_of,
    read_listed,
    source_names,
)
from cxr_gradcam.evaluation.intervals import with_intervals
from cxr_gradcam.evaluation.metrics import BinaryPredictions, measure, weighted_auc
from cxr_gradcam.explanation import find_class
from cxr_gradcam.models.calibration import Calibration, OperatingPoint
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

BATCH_SIZE = 16


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of N radiographs, and what they show.

    Attributes:
        class_names: C classes.
        labels: int64 (N,).
        logits: float32 (N, C).
        patients, sources, kinds: (N,) names; the kind is "bacteria", "virus" or "".
        calibration: of the model.
    """

    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    logits: Tensor
    patients: NDArray[np.str_]
    sources: NDArray[np.str_]
    kinds: NDArray[np.str_]
    calibration: Calibration

    @property
    def findings(self) -> list[str]:
        """The classes that are measured: of two, one says everything of the other too."""
        point = self.calibration.operating_point
        if point is not None:
            return [point.class_name]
        return list(self.class_names[1:] if len(self.class_names) == 2 else self.class_names)

    def threshold(self, finding: str) -> float | None:
        """From which probability the finding is called; None where the largest one is."""
        point = self.calibration.operating_point
        if point is not None and point.class_name == finding:
            return point.threshold
        return 0.5 if len(self.class_names) == 2 else None

    def cases(self, finding: str) -> BinaryPredictions:
        """Look at one finding against all else."""
        index = self.class_names.index(finding)
        probabilities = self.calibration.probabilities(self.logits).numpy()
        threshold = self.threshold(finding)
        if threshold is None:
            called = probabilities.argmax(axis=1) == index
        else:
            called = probabilities[:, index] >= threshold
        uncalibrated = self.logits.softmax(dim=1).numpy()[:, index]
        actual = self.labels == index
        return BinaryPredictions(
            actual, called, probabilities[:, index], uncalibrated, self.patients
        )


def evaluate(
    model: ResNet50FineTuned, data: Sequence[Path], patient_pattern: str = PATIENT_PATTERN
) -> dict[str, Any]:
    """Measure a model on folders with one folder of radiographs per class.

    Args:
        model: the classifier.
        data: one folder per source; their folders carry the model's class names, in any case.
        patient_pattern: as in `patient_of`.

    Returns:
        As `summarise`.

    Raises:
        ValueError: a folder that is no class of the model, two folders of one name, or a pattern
            that is none.
        RadiographError: a picture that cannot be read.
    """
    return summarize(predict(model, data, patient_pattern))


def predict(
    model: ResNet50FineTuned, data: Sequence[Path], patient_pattern: str = PATIENT_PATTERN
) -> Predictions:
    """Let a model classify what `evaluate` describes, in full precision."""
    paths, labels, sources = [], [], []
    for folder, source in zip(data, source_names(data), strict=True):
        listed = image_folder(folder)
        names = [find_class(model.class_names, name.replace("_", " ")) for name in listed.classes]
        paths += [path for path, _ in listed.samples]
        labels += [names[target] for target in listed.targets]
        sources += [source] * len(listed.samples)
    files = [Path(path).name for path in paths]
    return Predictions(
        model.class_names,
        np.array(labels),
        torch.cat(list(_predict(model, paths))),
        np.array([patient_of(name, patient_pattern) for name in files]),
        np.array(sources),
        np.array([kind_of(name) or "" for name in files]),
        model.calibration,
    )


def summarize(predictions: Predictions) -> dict[str, Any]:
    """Compute all figures.

    Args:
        predictions: of `predict`.

    Returns:
        {"temperature", "findings": {name: {"threshold", "groups": {group: figures}, "verdicts",
        "source_auc"}}}. The groups are "all", "source NAME" where there are several, and "bacteria"
        and "virus" (against all images without the finding); figures as in `measure`. "verdicts":
        {group: {verdict: {"images", "with_finding"}}}, where there is an operating point.
        "source_auc": {source: figure}, how well the probability tells images of one source without
        the finding from those of the others: 0.5 is not at all.
    """
    return {
        "temperature": predictions.calibration.temperature,
        "findings": {name: _finding(predictions, name) for name in predictions.findings},
    }


def _finding(predictions: Predictions, name: str) -> dict[str, Any]:
    cases = predictions.cases(name)
    groups = {group: cases.only(chosen) for group, chosen in _groups(predictions, cases.actual)}
    point = predictions.calibration.operating_point
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
    yield "all", np.ones(len(actual), dtype=bool)
    sources = np.unique(predictions.sources)
    if len(sources) > 1:
        for source in sources:
            yield f"source {source}", predictions.sources == source
    for kind in np.unique(predictions.kinds[actual & (predictions.kinds != "")]):
        yield str(kind), (predictions.kinds == kind) | ~actual


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
    without = ~cases.actual
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


def _predict(model: ResNet50FineTuned, paths: list[str]) -> Iterator[Tensor]:
    device = next(model.parameters()).device
    batches = [paths[start : start + BATCH_SIZE] for start in range(0, len(paths), BATCH_SIZE)]
    with evaluating(model), torch.inference_mode():
        for batch in track(batches, "evaluating", console=Console(stderr=True), transient=True):
            inputs = [model.preprocessing.prepare(read_listed(path)) for path in batch]
            yield model(torch.cat(inputs).to(device)).float().cpu()
