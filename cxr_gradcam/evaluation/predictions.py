"""Predictions: a model's answers for radiographs whose class is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.data.findings import finding_among, findings_among, require_finding
from cxr_gradcam.data.selection import Selection, select_radiographs
from cxr_gradcam.data.tables import Read
from cxr_gradcam.evaluation.metrics import BinaryPredictions
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.imaging.reading import read_named
from cxr_gradcam.models.calibration import Calibration
from cxr_gradcam.models.classifier import Classifier

BATCH_SIZE = 16

Grey = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's answers for N radiographs, and the true classes.

    Attributes:
        class_names: the C classes of the model.
        labels: int64 (N,), the index of the class that each radiograph shows.
        logits: float32 (N, C).
        patients: (N,) names of patients.
        sources: (N,) names of sources.
        kinds: (N,), "bacteria", "virus" or "".
        calibration: the model's temperature and operating point.
        reads: N rows of a table of reads; empty if no table was given.
        multi_label: whether several classes can be true at once.
        finding: the class that is the finding; None if there are several.
        notes: notes for the reader on patients and copies, a line each.
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
        """The classes to measure: the finding, or every class that is a finding."""
        if self.finding is not None and len(self.class_names) == 2 and not self.multi_label:
            return [self.finding]
        others = findings_among(self.class_names)
        return [name for name in self.class_names if name in others or name == self.finding]

    def threshold(self, finding: str) -> float | None:
        """Return the probability from which a finding is called.

        Args:
            finding: the class.

        Returns:
            The threshold; None if the most probable class is called.
        """
        point = self.calibration.point_of(finding)
        if point is not None:
            return point.threshold
        return 0.5 if len(self.class_names) == 2 or self.multi_label else None

    @property
    def is_other(self) -> NDArray[np.bool_]:
        """Bool (N,), True where radiologists read another finding."""
        if not self.reads:
            return np.zeros(len(self.labels), dtype=bool)
        return np.array([bool(read.words) and read.finding is None for read in self.reads])

    def cases(self, finding: str) -> BinaryPredictions:
        """Return the predictions as a binary problem: the finding against all other classes.

        Args:
            finding: the class.
        """
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


def finding_of(model: Classifier, named: str | None = None) -> str | None:
    """Return which class of a model is the finding.

    Args:
        model: the classifier.
        named: the name of the class; None to take it from the weights, or else from the class
            names.

    Returns:
        The class; None if each of several classes is a finding.

    Raises:
        ValueError: there is no such class; or there are two, one of which is the absence of the
            other, and neither the weights nor the names say which.
    """
    known = named or model.finding
    if len(model.class_names) == 2 and not model.multi_label:
        return require_finding(model.class_names, known, "an evaluation of two classes")
    return finding_among(model.class_names, known)


def predict(model: Classifier, selection: Selection) -> Predictions:
    """Classify the radiographs of a selection, in full precision.

    Args:
        model: the classifier.
        selection: the radiographs.

    Raises:
        ValueError: as for `evaluate`.
        RadiographError: a file cannot be read.
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


def logits_of(
    model: Classifier, paths: Sequence[Path], change: Callable[[Grey], Grey] | None = None
) -> Tensor:
    """Classify files, in full precision and in eval mode.

    Args:
        model: the classifier.
        paths: N files, which are read batch by batch.
        change: a function that changes the grey values (H, W) in [0, 1] first; None for none.

    Returns:
        Logits (N, C).

    Raises:
        RadiographError: a file cannot be read.
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
    with evaluating(model), torch.inference_mode():  # a recorded pass may be a fast one
        return model(inputs.to(next(model.parameters()).device))  # type: ignore[no-any-return]
