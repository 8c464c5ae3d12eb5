"""Fits to a trained network's outputs: temperature, operating point and OOD detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve, roc_curve
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from torch import Tensor

from cxr_gradcam.models.calibration import EVEN, OperatingPoint
from cxr_gradcam.models.ood import OODDetector

WRONG_UNLIKELY = 0.03
"""At most this share of the validation images that are called "unlikely" shows the finding."""
RIGHT_LIKELY = 0.95
"""At least this share of the validation images that are called "likely" shows the finding."""
DIRECTIONS = 64
"""The number of principal axes of the detector."""
PASS_RATE = 0.9875
"""At least this share of each source's validation images is within the detector's threshold."""
UPRIGHT_RATE = 0.998
"""This share of the validation images passes as upright."""


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature with the greatest likelihood of the labels (Guo et al. 2017, 4.2).

    Args:
        logits: (N, C) of validation images.
        labels: (N,), index of each image's class.

    Returns:
        The temperature, in [0.05, 20].
    """
    logits = logits.double()

    def loss(log_temperature: float) -> float:
        scaled = logits / float(np.exp(log_temperature))
        return float(torch.nn.functional.cross_entropy(scaled, labels))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def fit_logistic(
    logits: Tensor, labels: Tensor, prevalences: Sequence[float]
) -> tuple[float, tuple[float, ...]]:
    """Find the temperature and the classes' offsets with the greatest likelihood of the labels.

    For two classes this is logistic recalibration (Van Calster et al., "Calibration: the Achilles
    heel of predictive analytics", BMC Medicine 2019): slope and intercept of the log odds.

    Args:
        logits: (N, C) of images that show what the model will be used for.
        labels: (N,), index of each image's class.
        prevalences: share of each class where the model will be used, above 0.

    Returns:
        The temperature, in [0.05, 20], and the C offsets, in [-20, 20]; that of the first class is
        0.
    """
    logits, classes = logits.double(), logits.shape[1]
    counts = torch.bincount(labels, minlength=classes)
    weights = (torch.tensor(prevalences) / counts.clamp(min=1))[labels].double()

    def loss(parameters: NDArray[np.float64]) -> float:
        offsets = torch.tensor([0.0, *parameters[1:]], dtype=torch.float64)
        scaled = logits / float(np.exp(parameters[0])) + offsets
        losses = torch.nn.functional.cross_entropy(scaled, labels, reduction="none")
        return float((weights * losses).sum())

    bounds = [(np.log(0.05), np.log(20)), *[(-20.0, 20.0)] * (classes - 1)]
    found = minimize(loss, np.zeros(classes), bounds=bounds, method="L-BFGS-B")
    return float(np.exp(found.x[0])), (0.0, *found.x[1:].tolist())


def choose_operating_point(
    class_name: str,
    probabilities: NDArray[np.floating],
    is_finding: NDArray[np.bool_],
    source_of: NDArray[np.integer],
    noisy: NDArray[np.bool_],
    prevalence: float = EVEN,
) -> OperatingPoint:
    """Choose threshold and bounds on validation images.

    All sources have the same weight, and in each source the images with the finding have the weight
    of its prevalence, so that neither a large source nor the mixture of its images dominates.
    The threshold has the greatest sum of sensitivity and specificity (Youden 1950). "Likely" begins
    at the lowest probability above which `RIGHT_LIKELY` of the images show the finding; "unlikely"
    ends at the highest probability below which at most `WRONG_UNLIKELY` of the images show it.
    Neither bound crosses the threshold or one half. Noisy labels do not shift the threshold if they
    are wrong equally often for both classes, but they would shift the bounds, which are therefore
    fitted without noisy labels.

    Args:
        class_name: the finding.
        probabilities: (N,), the calibrated probability of the finding.
        is_finding: bool (N,), True where the image shows the finding.
        source_of: (N,), index of each image's source.
        noisy: bool (N,), True where the source's labels are often wrong.
        prevalence: the share of images with the finding where the model will be used, in (0, 1).
            The threshold does not depend on it.

    Returns:
        The operating point. If no bound is good enough, nothing is "likely" or "unlikely".

    Raises:
        ValueError: no image with a reliable label shows the finding, or all images do.
    """
    if not (is_finding & ~noisy).any() or is_finding.all():
        raise ValueError(
            f"an operating point needs validation X-rays with {class_name} and without it, and one "
            "kind is missing: add X-rays, or keep a larger share of the patients for validation"
        )
    weights = compute_sample_weight("balanced", 2 * source_of + is_finding)
    weights *= np.where(is_finding, prevalence, 1 - prevalence)
    false_positives, true_positives, thresholds = roc_curve(
        is_finding, probabilities, sample_weight=weights
    )
    # the first threshold is infinite and calls no image, which is no better than calling all
    best = 1 + np.argmax((true_positives - false_positives)[1:])
    threshold = float(thresholds[best])
    trusted = probabilities[~noisy], is_finding[~noisy], weights[~noisy]
    return OperatingPoint.of_bounds(
        class_name,
        threshold,
        min(_highest_unlikely(*trusted), threshold),
        max(_lowest_likely(*trusted), threshold),
    )


def _lowest_likely(
    probabilities: NDArray[np.floating],
    is_finding: NDArray[np.bool_],
    weights: NDArray[np.floating],
) -> float:
    """Return the lowest bound from which on `RIGHT_LIKELY` of the images show the finding."""
    right, _, bounds = precision_recall_curve(is_finding, probabilities, sample_weight=weights)
    kept = bounds[right[:-1] >= RIGHT_LIKELY]
    return float(kept.min()) if len(kept) else 1.0


def _highest_unlikely(
    probabilities: NDArray[np.floating],
    is_finding: NDArray[np.bool_],
    weights: NDArray[np.floating],
) -> float:
    """Return the highest bound below which at most `WRONG_UNLIKELY` show the finding."""
    right, _, negated = precision_recall_curve(~is_finding, -probabilities, sample_weight=weights)
    kept = -negated[right[:-1] >= 1 - WRONG_UNLIKELY]
    if not len(kept):
        return 0.0
    above = probabilities[probabilities > kept.max()]  # the bound itself is not "unlikely"
    return float(above.min()) if len(above) else 1.0


def fit_ood_detector(
    features: Tensor, upside_down: Tensor, validation: Tensor, source_of: Tensor
) -> OODDetector:
    """Fit a Gaussian to features by probabilistic PCA (Tipping & Bishop 1999, equations 7 and 8).

    In addition, the plane of a logistic regression separates upright images from images that are
    upside down; its offset is set so that `UPRIGHT_RATE` of the validation images count as upright.

    Args:
        features: (N, K), features of training images; N and K are above `DIRECTIONS` + 1.
        upside_down: (U, K), features of training images that were turned upside down.
        validation: (M, K), features of validation images, which should pass.
        source_of: (M,), index of each validation image's source; in every source `PASS_RATE` pass.

    Returns:
        The detector.

    Raises:
        ValueError: there are too few images or features.
    """
    if min(features.shape) <= DIRECTIONS + 1:
        raise ValueError(
            f"{features.shape[0]} training X-rays with {features.shape[1]} features are too few: "
            f"an out-of-distribution detector needs more than {DIRECTIONS + 1} of each"
        )
    pca = PCA(DIRECTIONS, svd_solver="covariance_eigh").fit(features.double().numpy())
    detector = OODDetector(
        pca.mean_.astype(np.float32),
        np.ascontiguousarray(pca.components_, dtype=np.float32),
        pca.explained_variance_.astype(np.float32),
        float(pca.noise_variance_),
    )
    distances = detector.distance(validation).numpy()
    threshold = max(
        float(np.quantile(distances[(source_of == source).numpy()], PASS_RATE, method="higher"))
        for source in source_of.unique()
    )
    plane = _plane_between(features, upside_down, validation)
    return replace(detector, threshold=threshold, upside_down=plane)


def _plane_between(upright: Tensor, upside_down: Tensor, validation: Tensor) -> NDArray[np.float32]:
    """Return normal and offset (K + 1,) of the plane; above it, images are upside down."""
    scale = StandardScaler().fit(upright.numpy())
    turned = np.arange(len(upright) + len(upside_down)) >= len(upright)
    both = scale.transform(torch.cat([upright, upside_down]).numpy())
    found = LogisticRegression(C=0.01, max_iter=500, class_weight="balanced").fit(both, turned)
    normal = found.coef_[0] / scale.scale_
    offset = -np.quantile(validation.numpy() @ normal, UPRIGHT_RATE, method="higher")
    return np.append(normal, offset).astype(np.float32)
