"""Evaluation: how often a model is right on radiographs whose class is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.data.folders import PATIENT_PATTERN, read_named
from cxr_gradcam.data.reads import Read
from cxr_gradcam.data.selection import Selection, select_radiographs
from cxr_gradcam.evaluation.intervals import with_intervals
from cxr_gradcam.evaluation.metrics import BinaryPredictions, measure, weighted_auc
from cxr_gradcam.explanation.question import find_class
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.calibration import Calibration, OperatingPoint
from cxr_gradcam.models.classifier import Classifier

BATCH_SIZE = 16

Grey = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of N radiographs, and what they show.

    Attributes:
        class_names: C classes.
        labels: int64 (N,).
        logits: float32 (N, C).
        patients, sources, kinds: (N,) names; the kind is "bacteria", "virus" or "".
        calibration: of the model.
        reads: N rows about them; empty where no table was given.
        multi_label: whether each class is true or false on its own.
    """

    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    logits: Tensor
    patients: NDArray[np.str_]
    sources: NDArray[np.str_]
    kinds: NDArray[np.str_]
    calibration: Calibration
    reads: Sequence[Read] = ()
    multi_label: bool = False

    @property
    def findings(self) -> list[str]:
        """The classes that are measured: of two, one says everything of the other too."""
        point = self.calibration.operating_point
        if point is not None:
            return [point.class_name]
        of_two = len(self.class_names) == 2 and not self.multi_label
        return list(self.class_names[1:] if of_two else self.class_names)

    def threshold(self, finding: str) -> float | None:
        """From which probability the finding is called; None where the largest one is."""
        point = self.calibration.operating_point
        if point is not None and point.class_name == finding:
            return point.threshold
        return 0.5 if len(self.class_names) == 2 or self.multi_label else None

    @property
    def is_other(self) -> NDArray[np.bool_]:
        """Whether each was read as something else than the finding or its absence: (N,)."""
        if not self.reads:
            return np.zeros(len(self.labels), dtype=bool)
        return np.array([bool(read.words) and read.finding is None for read in self.reads])

    def cases(self, finding: str) -> BinaryPredictions:
        """Look at one finding against all else."""
        index = self.class_names.index(finding)
        probabilities = self.calibration.probabilities(self.logits, self.multi_label).numpy()
        threshold = self.threshold(finding)
        if threshold is None:
            called = probabilities.argmax(axis=1) == index
        else:
            called = probabilities[:, index] >= threshold
        uncalibrated = Calibration().probabilities(self.logits, self.multi_label).numpy()[:, index]
        actual = self.labels == index
        return BinaryPredictions(
            actual, called, probabilities[:, index], uncalibrated, self.patients
        )


def evaluate(
    model: Classifier,
    data: Sequence[Path],
    patient_pattern: str = PATIENT_PATTERN,
    *,
    reads: Sequence[Path] = (),
    only: Path | None = None,
) -> dict[str, Any]:
    """Measure a model on folders with one folder of radiographs per class.

    Args:
        model: the classifier.
        data: one folder per source, as of `folders_of`; their folders carry the model's class
            names, in any case.
        patient_pattern: as in `patient_of`.
        reads: tables of what radiologists saw, which correct the labels.
        only: a CSV of the patients that count, as in `Selection`.

    Returns:
        As `summarize`.

    Raises:
        ValueError: a folder that is no class of the model, two folders of one name, or a pattern
            or table that is none.
        RadiographError: a picture that cannot be read.
    """
    return summarize(predict(model, Selection(data, reads, only, patient_pattern)))


def predict(model: Classifier, selection: Selection) -> Predictions:
    """Let a model classify the radiographs of a selection, in full precision.

    Raises:
        ValueError, RadiographError: as `evaluate`.
    """
    films = select_radiographs(
        selection, lambda name: find_class(model.class_names, name), len(model.class_names) - 1
    )
    return Predictions(
        model.class_names,
        np.array([film.label for film in films]),
        logits_of(model, [film.path for film in films]),
        np.array([film.patient for film in films]),
        np.array([film.source for film in films]),
        np.array([film.kind for film in films]),
        model.calibration,
        [film.read for film in films] if selection.reads else (),
        model.multi_label,
    )


def summarize(predictions: Predictions) -> dict[str, Any]:
    """Compute all figures.

    Args:
        predictions: of `predict`.

    Returns:
        {"temperature", "findings": {name: {"threshold", "groups": {group: figures}, "verdicts",
        "source_auc"}}}. The groups are "all", "source NAME" where there are several, "bacteria"
        and "virus" (against all images without the finding), and, where there are reads, "AP",
        "PA", the age groups, and "against other findings": images with the finding against those
        read as something else, which count nowhere else. Figures as in `measure`. "verdicts":
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


def logits_of(
    model: Classifier, paths: Sequence[Path], change: Callable[[Grey], Grey] | None = None
) -> Tensor:
    """Let a model classify files, in full precision and in eval mode.

    Args:
        model: the classifier.
        paths: N radiographs, read batch by batch.
        change: what is done to the grey values (H, W) in [0, 1] before.

    Returns:
        Logits (N, C).

    Raises:
        RadiographError: a picture that cannot be read.
    """
    starts = range(0, len(paths), BATCH_SIZE)
    logits = []
    for start in track(starts, "evaluating", console=Console(stderr=True), transient=True):
        batch = [read_named(str(path)) for path in paths[start : start + BATCH_SIZE]]
        if change is not None:
            batch = [Radiograph(change(each.pixels)) for each in batch]
        logits.append(_classify(model, batch).float().cpu())
    return torch.cat(logits)


def _classify(model: Classifier, radiographs: Sequence[Radiograph]) -> Tensor:
    if not isinstance(model, nn.Module):
        with torch.no_grad():
            return model.record(torch.cat([model.prepare(each) for each in radiographs])).logits
    inputs = torch.cat([model.preprocessing.prepare(each) for each in radiographs])
    with evaluating(model), torch.inference_mode():  # a recorded pass may be the fast one
        return model(inputs.to(next(model.parameters()).device))  # type: ignore[no-any-return]
