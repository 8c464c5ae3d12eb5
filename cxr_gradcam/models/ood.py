"""Familiarity: whether an image looks to the network like those it was trained on.

The features that the head takes are modelled by one Gaussian: full covariance along its main
directions, the same variance along all others. An image far from its middle is not familiar.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DIRECTIONS = 64
PASS_RATE = 0.99
"""Share of the validation images that are familiar."""


@dataclass(frozen=True, eq=False)
class OODDetector:
    """A Gaussian over features, and how far from its middle is too far.

    Args:
        mean: float32 (K,).
        directions: float32 (D, K), orthonormal rows: the principal axes.
        variances: float32 (D,), along them.
        residual_variance: along every other direction.
        threshold: the highest score of a familiar image.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    variances: NDArray[np.float32]
    residual_variance: float
    threshold: float = float("inf")

    def score(self, features: Tensor) -> Tensor:
        """Give the squared Mahalanobis distance per dimension: 1 on average in training.

        Args:
            features: (N, K), what the network's head takes.

        Returns:
            (N,), float32, on the CPU; the higher, the less familiar.
        """
        centred = features.detach().float().cpu() - torch.from_numpy(self.mean)
        along = centred @ torch.from_numpy(self.directions).T
        rest = (centred.square().sum(dim=1) - along.square().sum(dim=1)).clamp_min(0)
        within = (along.square() / torch.from_numpy(self.variances)).sum(dim=1)
        return (within + rest / self.residual_variance) / len(self.mean)

    def is_familiar(self, features: Tensor) -> Tensor:
        """Say of each of the features (N, K) whether its image is familiar: bool (N,)."""
        return self.score(features) <= self.threshold

    def with_threshold(self, validation: Tensor) -> OODDetector:
        """Choose the threshold that `PASS_RATE` of validation features (N, K) pass."""
        scores = self.score(validation).numpy()
        return replace(self, threshold=float(np.quantile(scores, PASS_RATE, method="higher")))


def fit_ood_detector(features: Tensor) -> OODDetector:
    """Fit the Gaussian to training features (Tipping & Bishop 1999, equations 7 and 8).

    Args:
        features: (N, K) with N and K above `DIRECTIONS` + 1.

    Returns:
        A gate that everything passes; see `Gate.with_threshold`.

    Raises:
        ValueError: fewer images or features.
    """
    if min(features.shape) <= DIRECTIONS + 1:
        raise ValueError(
            f"features {tuple(features.shape)} of too few images: a gate needs more than "
            f"{DIRECTIONS + 1}"
        )
    x = features.double()
    mean = x.mean(dim=0)
    variances, axes = torch.linalg.eigh(torch.cov(x.T, correction=0))
    rest = variances[:-DIRECTIONS].clamp_min(0).mean()
    return OODDetector(
        mean.float().numpy(),
        np.ascontiguousarray(axes[:, -DIRECTIONS:].T.float().numpy()),
        variances[-DIRECTIONS:].float().numpy(),
        float(rest),
    )


def to_header(detector: OODDetector) -> dict[str, Any]:
    """Write a gate in words of JSON, its directions in half precision (256 kB at K = 2048)."""
    arrays = {name: getattr(detector, name) for name in ("mean", "directions", "variances")}
    packed = {
        name: b64encode(array.astype(_stored(name)).tobytes()).decode("ascii")
        for name, array in arrays.items()
    }
    return packed | {
        "residual_variance": detector.residual_variance,
        "threshold": detector.threshold,
    }


def from_header(header: dict[str, Any]) -> OODDetector:
    """Read what `to_header` wrote.

    Raises:
        KeyError, ValueError: it did not.
    """
    mean, directions, variances = (
        np.frombuffer(b64decode(header[name]), _stored(name)).astype(np.float32)
        for name in ("mean", "directions", "variances")
    )
    return OODDetector(
        mean,
        directions.reshape(len(variances), len(mean)),
        variances,
        header["residual_variance"],
        header["threshold"],
    )


def _stored(name: str) -> str:
    return "<f2" if name == "directions" else "<f4"
