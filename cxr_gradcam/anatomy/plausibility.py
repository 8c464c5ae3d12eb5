"""Whether a picture and its outlined lungs are those of a frontal chest radiograph."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxr_gradcam.models.ood import OODDetector

LEAST_AREA = 0.012
"""A lung fills at least this share of the picture."""

LEAST_SPAN, GREATEST_SPAN = 0.6, 3.0
"""Least and greatest width of both lungs together, divided by their height.

It was 0.8 to 2.3 in 900 adults (RSNA, NIH), and 1.0 to 2.0 in 16 children at full resolution.
"""

UNUSUAL = "the picture or its lungs are unlike those of frontal chest X-rays"

_MEASURES = ("area", "column", "row", "width", "height", "lean")


def shape_features(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure both lungs.

    Args:
        shares: (2, S, S), above 0.5 in the lung at the left and in the lung at the right.

    Returns:
        float32 (13,): for each lung its area, column and row of the centre, width, height, and how
        far the centre lies below the middle of the height, as fractions of the picture; and the
        certainty of the outlines, in [0.5, 1]. 0 for a missing lung.
    """
    lungs = shares > 0.5
    sure = shares[lungs]
    return np.array(
        [*_measured(lungs[0]), *_measured(lungs[1]), sure.mean() if sure.size else 0.5], np.float32
    )


def picture_features(shares: NDArray[np.float32], coarsest: Tensor) -> NDArray[np.float32]:
    """Describe the lungs and the picture that they were outlined in.

    Args:
        shares: as for `shape_features`.
        coarsest: (1, K, h, w), the feature maps of the network's coarsest level.

    Returns:
        float32 (13 + 2 K,): the measures of `shape_features`, then mean and standard deviation of
        each feature map.
    """
    maps = coarsest[0].flatten(1)
    pooled = torch.cat([maps.mean(dim=1), maps.std(dim=1)]).numpy()
    return np.concatenate([shape_features(shares), pooled])


def _measured(lung: NDArray[np.bool_]) -> list[float]:
    rows, columns = np.nonzero(lung)
    if not len(rows):
        return [0.0] * len(_MEASURES)
    side = len(lung)
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    lean = (rows.mean() - (rows.min() + rows.max()) / 2) / height
    measures = (np.sqrt(len(rows)), columns.mean(), rows.mean(), width, height)
    return [*(float(value / side) for value in measures), float(lean)]


def shape_problem(
    features: NDArray[np.float32], detector: OODDetector | None, aspect: float
) -> tuple[float, str | None]:
    """Judge a picture by its lungs.

    Args:
        features: those of `picture_features`, or at least of `shape_features`.
        detector: detector of features unlike those of chest radiographs; None to judge without it.
            It may know only the first of the features, as those of earlier releases do.
        aspect: width of the picture divided by its height.

    Returns:
        The distance from chest radiographs as a fraction of the limit, above 1 for implausible
        lungs; and what is not plausible in words, or None.
    """
    found = int((features[[0, len(_MEASURES)]] ** 2 >= LEAST_AREA).sum())
    score = 0.0
    if detector is not None:
        known = torch.from_numpy(features[: len(detector.mean)])
        score = float(detector.score(known[None])[0]) / detector.threshold
    if found < 2:
        return max(score, 2.0), "no lungs were found" if found == 0 else "only one lung was found"
    span = _span(features) * aspect
    stretch = max(span / GREATEST_SPAN, LEAST_SPAN / span)
    if stretch > 1:
        return max(score, stretch), "the picture is stretched: its lungs are too wide or too narrow"
    return score, UNUSUAL if score > 1 else None


def _span(features: NDArray[np.float32]) -> float:
    """Return the width of both lungs together divided by their height, on a square picture."""
    both = np.split(features[: 2 * len(_MEASURES)], 2)
    one, other = (dict(zip(_MEASURES, each, strict=True)) for each in both)
    edges = other["column"] + other["width"] / 2 - one["column"] + one["width"] / 2
    return float(2 * edges / (one["height"] + other["height"]))
