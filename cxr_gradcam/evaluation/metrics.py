"""Figures of a classifier on one finding, each with its 95 % bootstrap interval over patients.

An interval comes from drawing whole patients with replacement: two pictures of one patient are no
two witnesses (Efron & Tibshirani 1993, section 13.3: percentile interval). A share of 0 or 1 does
not move then, and has its exact interval (Clopper & Pearson 1934).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_auc_score

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Estimate = dict[str, float]

RESAMPLES = 1000
BINS = 10
"""Of equal width, for the calibration error."""


@dataclass(frozen=True, eq=False)
class BinaryPredictions:
    """What is known and said of N images for one finding.

    Attributes:
        actual: bool (N,), whether the image shows it.
        called: bool (N,), whether the model calls it.
        probability: (N,), calibrated.
        uncalibrated: (N,), before temperature scaling.
        patients: (N,), one name each.
    """

    actual: Bools
    called: Bools
    probability: Floats
    uncalibrated: Floats
    patients: NDArray[np.str_]

    def only(self, chosen: Bools) -> BinaryPredictions:
        """Give the chosen images (N,) alone."""
        return BinaryPredictions(
            self.actual[chosen],
            self.called[chosen],
            self.probability[chosen],
            self.uncalibrated[chosen],
            self.patients[chosen],
        )


def measure(cases: BinaryPredictions) -> dict[str, int | Estimate]:
    """Compute the figures of some cases.

    Args:
        cases: the images.

    Returns:
        "images", "patients", "with_finding": counts. "auc", "accuracy", "sensitivity",
        "specificity", "ppv", "npv", "f1", "ece" (expected calibration error, Guo et al. 2017,
        equation 3) and "ece_uncalibrated": {"value", "low", "high"} in [0, 1]; one that is not
        defined, because a class or a call is missing, is left out.
    """
    counts: dict[str, int | Estimate] = {
        "images": len(cases.actual),
        "patients": len(np.unique(cases.patients)),
        "with_finding": int(cases.actual.sum()),
    }
    return counts | with_intervals(lambda weights: _figures(cases, weights), cases.patients)


def with_intervals(
    compute: Callable[[Floats], dict[str, float]], patients: NDArray[np.str_]
) -> dict[str, Estimate]:
    """Put a bootstrap interval around each figure.

    Args:
        compute: gives the figures under weights (N,), how often each image counts; NaN where one
            is not defined.
        patients: (N,), whose weights are always equal.

    Returns:
        {figure: {"value", "low", "high"}} of the figures that are defined.
    """
    values = compute(np.ones(len(patients)))
    drawn = [compute(weights) for weights in _resamples(patients)]
    figures = {}
    for name, value in values.items():
        if not np.isnan(value):
            low, high = np.nanpercentile([each[name] for each in drawn], (2.5, 97.5)).tolist()
            if low == high == value and value in (0, 1):
                low, high = _exact_interval(value, _witnesses(compute, name, patients))
            figures[name] = {"value": value, "low": low, "high": high}
    return figures


def as_text(figure: Estimate) -> str:
    """Write a figure with its interval; where no two resamples differed, there is none."""
    value, low, high = (f"{figure[key]:.3f}" for key in ("value", "low", "high"))
    return value if low == high else f"{value} ({low} to {high})"


def _witnesses(
    compute: Callable[[Floats], dict[str, float]], name: str, patients: NDArray[np.str_]
) -> int:
    """Count the patients of whom alone a figure is defined."""
    alone = (compute((patients == patient).astype(float)) for patient in np.unique(patients))
    return sum(not np.isnan(figures[name]) for figures in alone)


def _exact_interval(share: float, trials: int) -> tuple[float, float]:
    """Give the 95 % interval of a share of 0 or 1; that of no trial is the share alone."""
    reach = 1 - 0.025 ** (1 / trials) if trials else 0.0
    return (1 - reach, 1.0) if share else (0.0, reach)


def mean_intervals(rows: NDArray[np.floating], names: Sequence[str]) -> dict[str, Estimate]:
    """Give the mean of each column of (N, len(names)), with its interval over the rows."""

    def means(weights: Floats) -> dict[str, float]:
        averages = np.average(rows, axis=0, weights=weights)
        return dict(zip(names, averages.tolist(), strict=True))

    return with_intervals(means, np.arange(len(rows)).astype(str))


def weighted_auc(actual: Bools, scores: Floats, weights: Floats) -> float:
    """Give the area under the ROC curve; NaN where the images that count are all of one kind."""
    if len(np.unique(actual[weights > 0])) < 2:
        return float("nan")
    return float(roc_auc_score(actual, scores, sample_weight=weights))


def calibration_error(actual: Bools, probability: Floats, weights: Floats) -> float:
    """Give the mean distance between what was said and what was, over bins of probability."""
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights * (actual - probability), BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def _resamples(patients: NDArray[np.str_]) -> Iterator[Floats]:
    names, index = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(names), size=len(names))
        yield np.bincount(drawn, minlength=len(names))[index].astype(float)


def _figures(cases: BinaryPredictions, weights: Floats) -> dict[str, float]:
    (tn, fp), (fn, tp) = confusion_matrix(
        cases.actual, cases.called, labels=[False, True], sample_weight=weights
    )
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
