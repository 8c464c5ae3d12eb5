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
from cxr_gradcam.data.findings import finding_among, findings_among, require_finding
from cxr_gradcam.data.folders import read_named
from cxr_gradcam.data.patients import PatientRules
from cxr_gradcam.data.reads import Read
from cxr_gradcam.data.selection import Selection, select_radiographs
from cxr_gradcam.evaluation.intervals import with_intervals
from cxr_gradcam.evaluation.metrics import BinaryPredictions, measure, weighted_auc
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.calibration import Calibration, OperatingPoint
from cxr_gradcam.models.classifier import Classifier

BATCH_SIZE = 16

Grey = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of N radiographs, and what they show.

    Attributes:
        class_names: the C classes of the model.
        labels: int64 (N,), the index of the class that each radiograph shows.
        logits: float32 (N, C).
        patients: (N,) names of patients.
        sources: (N,) names of sources.
        kinds: (N,), "bacteria", "virus" or "".
        calibration: the model's temperature and operating point.
        reads: N rows of a table of reads; empty where no table was given.
        multi_label: whether each class is true or false on its own.
        finding: the class that is the finding; None where several are.
        notes: what a reader of the figures should know of patients and copies, a line each.
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
    finding: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def findings(self) -> list[str]:
        """The classes that are measured: the finding, or every class that is one."""
        if self.finding is not None and len(self.class_names) == 2 and not self.multi_label:
            return [self.finding]
        others = findings_among(self.class_names)
        return [name for name in self.class_names if name in others or name == self.finding]

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
    *,
    reads: Sequence[Path] = (),
    only: Path | None = None,
    patients: PatientRules | None = None,
    finding: str | None = None,
) -> dict[str, Any]:
    """Measure a model on folders with one folder of radiographs per class.

    Args:
        model: the classifier.
        data: one folder per source (`folders_of`), with a folder for each class; the folders carry
            the model's class names, in any case.
        reads: tables of what radiologists saw, which correct the labels.
        only: a CSV whose column `patient` names the patients that count; None for all.
        patients: how patients are told; None for the usual layouts.
        finding: the name of the class that is the finding; None where the weights or the names of
            the classes tell it.

    Returns:
        The figures, as `summarize` returns them.

    Raises:
        ValueError: a folder that is no class of the model, two folders of one name, one picture in
            two classes, a finding that is not clear, or a pattern or table that cannot be used.
        RadiographError: a file that cannot be read.
    """
    rules = PatientRules() if patients is None else patients
    return summarize(predict(model, Selection(data, reads, only, rules, finding)))


def finding_of(model: Classifier, named: str | None = None) -> str | None:
    """Return which class of a model is the finding.

    Args:
        model: the classifier.
        named: the name of the class; None for what the weights say, or else the names of the
            classes.

    Returns:
        The class; None where each of several classes is a finding.

    Raises:
        ValueError: there is no such class; or there are two, one of which is the absence of the
            other, and neither the weights nor the names say which.
    """
    known = named or model.finding
    if len(model.class_names) == 2 and not model.multi_label:
        return require_finding(model.class_names, known, "an evaluation of two classes")
    return finding_among(model.class_names, known)


def predict(model: Classifier, selection: Selection) -> Predictions:
    """Let a model classify the radiographs of a selection, in full precision.

    Args:
        model: the classifier.
        selection: the radiographs.

    Raises:
        ValueError: what `evaluate` refuses.
        RadiographError: a file that cannot be read.
    """
    finding = finding_of(model, selection.finding)
    known, notes = select_radiographs(selection, model.class_names, finding)
    return Predictions(
        model.class_names,
        np.array([each.label for each in known]),
        logits_of(model, [each.path for each in known]),
        np.array([each.patient for each in known]),
        np.array([each.source for each in known]),
        np.array([each.kind for each in known]),
        model.calibration,
        [each.read for each in known] if selection.reads else (),
        model.multi_label,
        finding,
        tuple(notes),
    )


def summarize(predictions: Predictions) -> dict[str, Any]:
    """Compute all figures.

    Args:
        predictions: what a model says of radiographs.

    Returns:
        {"notes", "temperature", "findings": {name: {"threshold", "groups", "verdicts",
        "source_auc"}}}.

        - "notes": sentences on patients, copies and parts.
        - "groups": {group: figures}, the figures of `measure`. The groups are "all"; "source NAME"
          where there are several sources; "bacteria" and "virus", against all images without the
          finding; and, where there are reads, "AP", "PA", the age groups, and "against other
          findings": images with the finding against images that were read as something else.
          Those count in no other group.
        - "verdicts": {group: {verdict: {"images", "with_finding"}}}; empty for a finding without
          an operating point.
        - "source_auc": {source: figure}, how well the probability tells images of one source
          without the finding from those of the others; 0.5 is not at all.
    """
    return {
        "notes": list(predictions.notes),
        "temperature": predictions.calibration.temperature,
        "findings": {name: _finding(predictions, name) for name in predictions.findings},
    }


def _finding(predictions: Predictions, name: str) -> dict[str, Any]:
    cases = predictions.cases(name)
    groups = {group: cases.only(chosen) for group, chosen in _groups(predictions, cases.actual)}
    point = predictions.calibration.operating_point
    if point is not None and point.class_name != name:
        point = None
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
