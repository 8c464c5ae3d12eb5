"""Calibration: from logits to probabilities that hold, and from these to a verdict in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.metrics import roc_curve
from sklearn.utils.class_weight import compute_sample_weight
from torch import Tensor

Verdict = Literal["likely", "uncertain", "unlikely"]

RULED_OUT = 0.995
"""Share of the validation images with the finding at or above the bound of "unlikely"."""
RULED_IN = 0.98
"""Share of the other validation images at or below the bound of "likely"."""


@dataclass(frozen=True)
class OperatingPoint:
    """Where a calibrated probability of a finding becomes a decision.

    Args:
        class_name: the finding.
        threshold: at or above it the finding is called, in [0, 1].
        unlikely_below: below it the finding is unlikely, at most `threshold`.
        likely_from: at or above it the finding is likely, at least `threshold`.
    """

    class_name: str
    threshold: float
    unlikely_below: float
    likely_from: float

    def __post_init__(self) -> None:
        """Refuse bounds that are not in order."""
        if not 0 <= self.unlikely_below <= self.threshold <= self.likely_from <= 1:
            raise ValueError(
                f"bounds {self.unlikely_below}, {self.threshold}, {self.likely_from} of an "
                "operating point: they must rise and lie in [0, 1]"
            )

    def verdict(self, probability: float) -> Verdict:
        """Say in a word what a calibrated probability of the finding means."""
        if probability < self.unlikely_below:
            return "unlikely"
        return "likely" if probability >= self.likely_from else "uncertain"


@dataclass(frozen=True)
class Calibration:
    """What was learnt from validation images about a model's logits.

    Args:
        temperature: what the logits are divided by; 1 where nothing was learnt.
        operating_point: of the finding, or None.
    """

    temperature: float = 1.0
    operating_point: OperatingPoint | None = None

    def probabilities(self, logits: Tensor, multi_label: bool = False) -> Tensor:
        """Turn logits (…, C) into calibrated probabilities.

        Args:
            logits: of any leading shape.
            multi_label: whether each class is true or false on its own.

        Returns:
            (…, C), float32; the last dimension sums to 1 unless `multi_label`.
        """
        scaled = logits.float() / self.temperature
        return scaled.sigmoid() if multi_label else scaled.softmax(dim=-1)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature under which the labels are most probable (Guo et al. 2017, section 4.2).

    Args:
        logits: (N, C) of validation images.
        labels: (N,) their classes.

    Returns:
        The temperature, in [0.05, 20].
    """
    logits = logits.double()

    def loss(log_temperature: float) -> float:
        scaled = logits / float(np.exp(log_temperature))
        return float(torch.nn.functional.cross_entropy(scaled, labels))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def choose_operating_point(
    class_name: str,
    probabilities: NDArray[np.floating],
    is_finding: NDArray[np.bool_],
    source_of: NDArray[np.integer],
    noisy: NDArray[np.bool_],
) -> OperatingPoint:
    """Choose threshold and bounds on validation images; every source counts the same.

    At the threshold the sum of sensitivity and specificity, both means over the sources, is
    greatest (Youden 1950). `RULED_OUT` of the findings lie at or above the bound of "unlikely",
    `RULED_IN` of the other images at or below that of "likely". Labels that are wrong equally often
    on both sides do not move the threshold; the bound of "unlikely" hangs on the few findings
    furthest down, where a wrong label is most likely, and so rests on the other labels alone.

    Args:
        class_name: the finding.
        probabilities: (N,) calibrated, of the finding.
        is_finding: (N,) whether the image shows it.
        source_of: (N,) which source each image is of.
        noisy: (N,) whether its label is often wrong.

    Returns:
        The operating point.

    Raises:
        ValueError: no image with a label to rely on shows the finding, or all images do.
    """
    sure = probabilities[is_finding & ~noisy]
    if not len(sure) or is_finding.all():
        raise ValueError("an operating point needs images with the finding and without")
    weights = compute_sample_weight("balanced", 2 * source_of + is_finding)
    false_positives, true_positives, thresholds = roc_curve(
        is_finding, probabilities, sample_weight=weights
    )
    # the first threshold is infinite and calls nobody, which is no better than calling everybody
    best = 1 + np.argmax((true_positives - false_positives)[1:])
    threshold = float(thresholds[best])
    unlikely = float(np.quantile(sure, 1 - RULED_OUT, method="lower"))
    healthy, weights = probabilities[~is_finding], weights[~is_finding]
    likely = float(np.quantile(healthy, RULED_IN, method="inverted_cdf", weights=weights))
    return OperatingPoint(class_name, threshold, min(unlikely, threshold), max(likely, threshold))
