"""Out-of-distribution detection: whether an image looks like those of the training.

The features that the head takes are modelled by one Gaussian: full covariance along its main
directions, the same variance along all others. An image far from its middle is not familiar.
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
        """Return the squared Mahalanobis distance per dimension: 1 on average in training.

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
        """Return bool (N,), whether the image of each of the features (N, K) is familiar."""
        return self.score(features) <= self.threshold


def to_header(detector: OODDetector) -> dict[str, Any]:
    """Write a detector in words of JSON, its directions in half precision (256 kB at K = 2048)."""
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
