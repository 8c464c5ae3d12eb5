"""Recalibration: probabilities and words of finished weights, fitted to one's own radiographs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor

from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.data.dataset import load
from cxr_gradcam.data.findings import require_finding
from cxr_gradcam.data.labels import Doubt
from cxr_gradcam.data.patients import print_notes
from cxr_gradcam.data.split import Sources, Split, split_by_patient
from cxr_gradcam.models.calibration import Calibration, Verdict
from cxr_gradcam.models.checkpoint import load_checkpoint, save_checkpoint
from cxr_gradcam.models.importing import load_model
from cxr_gradcam.models.initial_weights import BUNDLED
from cxr_gradcam.training.calibration import count_verdicts, in_order_of
from cxr_gradcam.training.fitting import choose_operating_point, fit_logistic
from cxr_gradcam.training.validation import look

FOLDS = 5
"""The number of parts; each is measured by what was fitted to the others."""


@dataclass(frozen=True)
class Agreement:
    """How well probabilities and words agree with what the radiographs show.

    Attributes:
        log_loss: the mean negative logarithm of the probability of the truth, 0 or more.
        expected: the share of radiographs with the finding that the probabilities expect.
        verdicts: {verdict: (number of radiographs, number of them with the finding)}.
    """

    log_loss: float
    expected: float
    verdicts: dict[Verdict, tuple[int, int]]


@dataclass(frozen=True)
class Recalibrated:
    """The result of `recalibrate`.

    Attributes:
        calibration: temperature, offsets and operating point, fitted to all radiographs.
        finding: the class that is the finding.
        images: the number of radiographs.
        patients: the number of patients.
        with_finding: the number of radiographs with the finding.
        before: the agreement of the weights' own calibration.
        after: the agreement of the new one, on radiographs of patients that it was not fitted to.
    """

    calibration: Calibration
    finding: str
    images: int
    patients: int
    with_finding: int
    before: Agreement
    after: Agreement


def recalibrate(
    weights: str, sources: Sources, output: Path, *, prevalence: float | None = None
) -> Recalibrated:
    """Fit temperature, offsets and operating point to one's own radiographs, and store the weights.

    Nothing else of the weights changes. Cut-outs and radiographs with doubtful labels are not used.

    Args:
        weights: a .safetensors file that `train` or `convert` wrote, or "bundled".
        sources: folders with one folder per class; no radiograph of the weights' training.
        output: the file to write.
        prevalence: the share of radiographs with the finding where the weights will be used, in
            (0, 1); None for their share in the folders.

    Returns:
        The new calibration, and what is gained by it.

    Raises:
        CheckpointError: the weights cannot be read.
        ValueError: several findings can be true at once, there are not two classes, there are fewer
            than `FOLDS` patients on either side, or the folders cannot be used.
        RadiographError: a file cannot be read.
    """
    path = bundled_checkpoint() if weights == BUNDLED else Path(weights)
    stored = load_checkpoint(path)
    names = stored.class_names
    if stored.multi_label or len(names) != 2:
        raise ValueError(
            f"{weights} tells {', '.join(names)} apart, and recalibration needs two classes of "
            "which one is true: use calibrate without --recalibrate"
        )
    finding = require_finding(names, sources.finding or stored.finding, "recalibration")
    split = _split(replace(sources, finding=finding))
    class_idx = names.index(finding)
    model = load_model(path)
    _, images = load(split, stored.preprocessing.size, 0, 0.0)
    images = in_order_of(names, images, split)
    logits, labels = look(model, images.images)[1], images.labels
    truth = (labels == class_idx).numpy()
    share = float(truth.mean()) if prevalence is None else prevalence
    after = _left_out(logits, labels, split.patients, finding, class_idx, share)
    fitted = _fit(logits, labels, finding, class_idx, share)
    save_checkpoint(output, replace(stored, calibration=fitted, finding=finding))
    return Recalibrated(
        fitted,
        finding,
        len(truth),
        len({*split.patients}),
        int(truth.sum()),
        _agreement([(stored.calibration, np.arange(len(truth)))], logits, truth, class_idx),
        _agreement(after, logits, truth, class_idx),
    )


def _split(sources: Sources) -> Split:
    """Return the radiographs with a reliable label, all of them as if held out."""
    split = split_by_patient(sources, 0.5, 0)
    print_notes(split.notes)
    split = split.only(~split.is_cut_out(split.source_of) & (split.doubts == Doubt.NONE))
    for label, name in enumerate(split.class_names):
        known = {split.patients[index] for index in (split.labels == label).nonzero()[:, 0]}
        if len(known) < FOLDS:
            raise ValueError(
                f"{len(known)} patients with {name} are too few to fit and to measure: "
                f"recalibration needs {FOLDS} of each class, and is worth little below 50"
            )
    return replace(split, held_out=torch.ones_like(split.held_out))


def _left_out(
    logits: Tensor,
    labels: Tensor,
    patients: tuple[str, ...],
    finding: str,
    class_idx: int,
    prevalence: float,
) -> Iterator[tuple[Calibration, NDArray[np.int_]]]:
    """Yield for each part what is fitted to the others, and the indices of the part."""
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for others, part in folds.split(logits, labels, patients):
        yield _fit(logits[others], labels[others], finding, class_idx, prevalence), part


def _fit(
    logits: Tensor, labels: Tensor, finding: str, class_idx: int, prevalence: float
) -> Calibration:
    shares = [prevalence if index == class_idx else 1 - prevalence for index in (0, 1)]
    temperature, offsets = fit_logistic(logits, labels, shares)
    fitted = Calibration(temperature, offsets=offsets)
    one_source = np.zeros(len(labels), dtype=int)
    point = choose_operating_point(
        finding,
        fitted.probabilities(logits)[:, class_idx].numpy(),
        (labels == class_idx).numpy(),
        one_source,
        one_source > 0,
        prevalence,
    )
    return replace(fitted, operating_point=point)


def _agreement(
    fitted: Iterable[tuple[Calibration, NDArray[np.int_]]],
    logits: Tensor,
    truth: NDArray[np.bool_],
    class_idx: int,
) -> Agreement:
    """Measure each part of the radiographs by its own calibration, and sum up."""
    probability = np.zeros(len(truth))
    said: dict[int, Verdict] = {}
    for calibration, part in fitted:
        probability[part] = calibration.probabilities(logits[part])[:, class_idx].numpy()
        if (point := calibration.operating_point) is not None:
            said |= {index: point.verdict(probability[index]) for index in part.tolist()}
    counts = count_verdicts([*said.values()], truth[[*said]].tolist()) if said else {}
    return Agreement(log_loss(truth, probability), float(probability.mean()), counts)
