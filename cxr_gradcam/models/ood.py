"""Out-of-distribution detection: whether an image resembles the training images.

The input of the head is modelled by one Gaussian distribution: full covariance along its principal
axes, one variance along all other directions. An image far from the mean is out of distribution.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class OODDetector:
    """A Gaussian distribution of features with a threshold, and a test for upside-down images.

    Upside-down chests have nearly the features of upright ones, and half of them are within the
    threshold; so a plane separates the two sets of features.

    Args:
        mean: float32 (K,).
        directions: float32 (D, K), orthonormal rows: the principal axes.
        variances: float32 (D,), the variances along the principal axes.
        residual_variance: the variance along every other direction, positive.
        threshold: the highest score of a familiar image.
        upside_down: float32 (K + 1,), the plane's normal and offset: above 0 an image is upside
            down. None if it was not fitted.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    variances: NDArray[np.float32]
    residual_variance: float
    threshold: float = float("inf")
    upside_down: NDArray[np.float32] | None = None

    def score(self, features: Tensor) -> Tensor:
        """Return how far images are from the training images.

        Args:
            features: (N, K), the input of the network's head.

        Returns:
            Scores (N,), float32, on the CPU; the higher, the less familiar. A score is the squared
            Mahalanobis distance per dimension, 1 on average in training. For an upside-down image
            it is raised above the threshold.
        """
        distance = self.distance(features)
        if self.upside_down is None:
            return distance
        plane = torch.from_numpy(self.upside_down)
        beyond = features.detach().float().cpu() @ plane[:-1] + plane[-1]
        return torch.maximum(distance, self.threshold * (1 + beyond))

    def distance(self, features: Tensor) -> Tensor:
        """Return the squared Mahalanobis distance per dimension (N,) of features (N, K)."""
        centred = features.detach().float().cpu() - torch.from_numpy(self.mean)
        along = centred @ torch.from_numpy(self.directions).T
        rest = (centred.square().sum(dim=1) - along.square().sum(dim=1)).clamp_min(0)
        within = (along.square() / torch.from_numpy(self.variances)).sum(dim=1)
        return (within + rest / self.residual_variance) / len(self.mean)

    def is_familiar(self, features: Tensor) -> Tensor:
        """Return bool (N,), whether the image of each of the features (N, K) is familiar."""
        return self.score(features) <= self.threshold


def to_header(detector: OODDetector) -> dict[str, Any]:
    """Return a detector in JSON types, directions in half precision (256 kB at K = 2048).

    Args:
        detector: the detector to store in a checkpoint's header.
    """
    arrays = {name: getattr(detector, name) for name in ("mean", "directions", "variances")}
    packed = {
        name: b64encode(array.astype(_stored(name)).tobytes()).decode("ascii")
        for name, array in arrays.items()
    }
    return packed | {
        "residual_variance": detector.residual_variance,
        "threshold": detector.threshold,
        "upside_down": None
        if detector.upside_down is None
        else b64encode(detector.upside_down.astype("<f4").tobytes()).decode("ascii"),
    }


def from_header(header: dict[str, Any]) -> OODDetector:
    """Return the detector that `to_header` wrote.

    Args:
        header: the value of "gate" in a checkpoint's header.

    Raises:
        KeyError, ValueError: the header is no detector.
    """
    mean, directions, variances = (
        np.frombuffer(b64decode(header[name]), _stored(name)).astype(np.float32)
        for name in ("mean", "directions", "variances")
    )
    upside_down = header.get("upside_down")  # detectors of earlier releases have none
    return OODDetector(
        mean,
        directions.reshape(len(variances), len(mean)),
        variances,
        header["residual_variance"],
        header["threshold"],
        None
        if upside_down is None
        else np.frombuffer(b64decode(upside_down), "<f4").astype(np.float32),
    )


def _stored(name: str) -> str:
    return "<f2" if name == "directions" else "<f4"
