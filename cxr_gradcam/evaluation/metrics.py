"""Figures of a classifier on one finding, each with its 95 % interval over patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from cxr_gradcam.evaluation.intervals import Estimate, Floats, with_intervals

Bools = NDArray[np.bool_]

BINS = 10
"""The number of bins of the calibration error, all of equal width."""


@dataclass(frozen=True, eq=False)
class BinaryPredictions:
    """The truth about N images and a model's answers, for one finding.

    Attributes:
        actual: bool (N,), True where the image shows the finding.
        called: bool (N,), True where the model calls the finding.
        probability: (N,), the calibrated probability of the finding.
        uncalibrated: (N,), the probability before temperature scaling.
        patients: (N,), the name of each image's patient.
    """

    actual: Bools
    called: Bools
    probability: Floats
    uncalibrated: Floats
    patients: NDArray[np.str_]

    def only(self, chosen: Bools) -> BinaryPredictions:
        """Return only the chosen images.

        Args:
            chosen: bool (N,).
        """
        return BinaryPredictions(
            self.actual[chosen],
            self.called[chosen],
            self.probability[chosen],
            self.uncalibrated[chosen],
            self.patients[chosen],
        )


def measure(cases: BinaryPredictions) -> dict[str, int | Estimate]:
    """Compute the figures of images.

    Args:
        cases: the images.

    Returns:
        "images", "patients" and "with_finding" are counts. "auc", "accuracy", "sensitivity",
        "specificity", "ppv", "npv", "f1", "ece" (expected calibration error, Guo et al. 2017,
        equation 3) and "ece_uncalibrated" are {"value", "low", "high"} in [0, 1]. A figure that is
        not defined, because a class or a call does not occur, is left out.
    """
    counts: dict[str, int | Estimate] = {
        "images": len(cases.actual),
        "patients": len(np.unique(cases.patients)),
        "with_finding": int(cases.actual.sum()),
    }
    return counts | with_intervals(lambda weights: weighted_figures(cases, weights), cases.patients)


def weighted_auc(actual: Bools, scores: Floats, weights: Floats) -> float:
    """Return the area under the ROC curve.

    Args:
        actual: bool (N,), True where the image shows the finding.
        scores: (N,), higher for the finding.
        weights: (N,), 0 or more.

    Returns:
        The area; NaN if all images with a weight above 0 are of one kind.
    """
    if len(np.unique(actual[weights > 0])) < 2:
        return float("nan")
    return float(roc_auc_score(actual, scores, sample_weight=weights))


def calibration_error(actual: Bools, probability: Floats, weights: Floats) -> float:
    """Return the expected calibration error (Guo et al. 2017, equation 3).

    Scikit-learn's `calibration_curve` takes no weights, which the bootstrap needs.

    Args:
        actual: bool (N,), True where the image shows the finding.
        probability: (N,), the probability of the finding.
        weights: (N,), 0 or more.
    """
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights * (actual - probability), BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def weighted_figures(cases: BinaryPredictions, weights: Floats) -> dict[str, float]:
    """Return the figures of `measure` under weights.

    Args:
        cases: the N images.
        weights: (N,), 0 or more.

    Returns:
        {figure: value}; NaN for a figure that is not defined.
    """
    # Scikit-learn's confusion_matrix gives the same and takes a hundred times as long, which the
    # bootstrap multiplies.
    tn, fp, fn, tp = np.bincount(2 * cases.actual + cases.called, weights, minlength=4)
    return {
        "auc": weighted_auc(cases.actual, cases.probability, weights),
        "accuracy": _share(tp + tn, fp + fn),
        "sensitivity": _share(tp, fn),
        "specificity": _share(tn, fp),
        "ppv": _share(tp, fp),
        "npv": _share(tn, fn),
        "f1": _share(2 * tp, fp + fn),
        "ece": calibration_error(cases.actual, cases.probability, weights),
        "ece_uncalibrated": calibration_error(cases.actual, cases.uncalibrated, weights),
    }


def _share(part: float, rest: float) -> float:
    return float(part / (part + rest)) if part + rest else float("nan")
