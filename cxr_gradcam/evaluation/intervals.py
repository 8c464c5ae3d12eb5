"""95 % intervals of figures, from a bootstrap over patients.

Whole patients are drawn with replacement, because two images of one patient are not independent
(percentile interval: Efron & Tibshirani 1993, section 13.3). A share of 0 or 1 does not vary under
the bootstrap; its exact interval is given (Clopper & Pearson 1934). `scipy.stats.bootstrap` draws
single observations, not clusters, so patients are drawn here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Estimate = dict[str, float]

RESAMPLES = 1000

IN_BRACKETS = "In brackets: 95 % interval"
"""The text with which every study explains the numbers in brackets."""


def with_intervals(
    compute: Callable[[Floats], dict[str, float]], patients: NDArray[np.str_]
) -> dict[str, Estimate]:
    """Compute figures with their bootstrap intervals.

    Args:
        compute: computes the figures under weights (N,), the multiplicity of each image; NaN for a
            figure that is not defined.
        patients: (N,), the patient of each image; images of one patient have equal weights.

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
    """Write a figure with its interval, which is left out if it has no width."""
    value, low, high = (f"{figure[key]:.3f}" for key in ("value", "low", "high"))
    return value if low == high else f"{value} ({low} to {high})"


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as a table in Markdown.

    Args:
        rows: mappings with the same keys, which become the header; a figure is written with its
            interval.
    """
    header = list(rows[0])
    lines = [header, ["---"] * len(header), *([_cell(row[key]) for key in header] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return as_text(value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _witnesses(
    compute: Callable[[Floats], dict[str, float]], name: str, patients: NDArray[np.str_]
) -> int:
    """Count the patients whose own images are enough to define a figure."""
    alone = (compute((patients == patient).astype(float)) for patient in np.unique(patients))
    return sum(not np.isnan(figures[name]) for figures in alone)


def _exact_interval(share: float, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of 0 or 1; without a trial it has no width."""
    from scipy.stats import binomtest  # imported here, because the page shows figures without scipy

    if trials == 0:
        return share, share
    low, high = binomtest(round(share * trials), trials).proportion_ci(method="exact")
    return float(low), float(high)


def mean_intervals(rows: NDArray[np.floating], names: Sequence[str]) -> dict[str, Estimate]:
    """Compute the mean of each column, with its interval over the rows.

    Args:
        rows: (N, len(names)).
        names: the names of the columns.

    Returns:
        {name: {"value", "low", "high"}}.
    """

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
