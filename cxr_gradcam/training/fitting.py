"""What is fitted to a trained network's answers: temperature, operating point and OOD detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.decomposition import PCA
from sklearn.metrics import roc_curve
from sklearn.utils.class_weight import compute_sample_weight
from torch import Tensor

from cxr_gradcam.models.calibration import OperatingPoint
from cxr_gradcam.models.ood import OODDetector

RULED_OUT = 0.995
"""Share of the validation images with the finding at or above the bound of "unlikely"."""
RULED_IN = 0.98
"""Share of the other validation images at or below the bound of "likely"."""
DIRECTIONS = 64
"""Principal axes of the detector."""
PASS_RATE = 0.99
"""Share of the validation images that are familiar."""


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


def fit_ood_detector(features: Tensor, validation: Tensor) -> OODDetector:
    """Fit a Gaussian to features by probabilistic PCA (Tipping & Bishop 1999, equations 7 and 8).

    Args:
        features: (N, K) of training images, N and K above `DIRECTIONS` + 1.
        validation: (M, K) of images of which `PASS_RATE` are to be familiar.

    Returns:
        The detector.

    Raises:
        ValueError: fewer images or features.
    """
    if min(features.shape) <= DIRECTIONS + 1:
        raise ValueError(
            f"features {tuple(features.shape)} of too few images: an out-of-distribution detector "
            f"needs more than {DIRECTIONS + 1}"
        )
    pca = PCA(DIRECTIONS, svd_solver="covariance_eigh").fit(features.double().numpy())
    detector = OODDetector(
        pca.mean_.astype(np.float32),
        np.ascontiguousarray(pca.components_, dtype=np.float32),
        pca.explained_variance_.astype(np.float32),
        float(pca.noise_variance_),
    )
    scores = detector.score(validation).numpy()
    return replace(detector, threshold=float(np.quantile(scores, PASS_RATE, method="higher")))
