"""95 % intervals of figures, from a bootstrap over patients.

Whole patients are drawn with replacement: two pictures of one patient are no two witnesses (Efron &
Tibshirani 1993, section 13.3: percentile interval). A share of 0 or 1 does not move then, and has
its exact interval (Clopper & Pearson 1934). `scipy.stats.bootstrap` draws single observations and
knows no clusters, so the drawing of patients is our own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Estimate = dict[str, float]

RESAMPLES = 1000

IN_BRACKETS = "In brackets: 95 % interval"
"""How every study says what its brackets hold."""


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
    """Return the 95 % interval of a share of 0 or 1; that of no trial is the share alone."""
    from scipy.stats import binomtest  # here, because the page shows figures without scipy

    if trials == 0:
        return share, share
    low, high = binomtest(round(share * trials), trials).proportion_ci(method="exact")
    return float(low), float(high)


def mean_intervals(rows: NDArray[np.floating], names: Sequence[str]) -> dict[str, Estimate]:
    """Return the mean of each column of (N, len(names)), with its interval over the rows."""

    def means(weights: Floats) -> dict[str, float]:
        averages = np.average(rows, axis=0, weights=weights)
        return dict(zip(names, averages.tolist(), strict=True))

    return with_intervals(means, np.arange(len(rows)).astype(str))


def _resamples(patients: NDArray[np.str_]) -> Iterator[Floats]:
    names, index = np.unique(patients, return_inverse=True)
    rng = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(names), size=len(names))
        yield np.bincount(drawn, minlength=len(names))[index].astype(float)
