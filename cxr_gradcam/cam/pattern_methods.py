"""CAM methods that look for the strongest patterns among a layer's channels.

A and G are (N, K, h, w), the layer's activations and the gradients of the explained score; a map is
(N, h, w), float32, at least 0 and not normalised.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cxr_gradcam.cam.maps import weighted_sum


def eigencam(activations: Tensor) -> Tensor:
    """EigenCAM: the strongest pattern among all channels, independent of the class.

    It is the projection on the first right singular vector. The sign of a singular vector is
    arbitrary; it is chosen so that the projection's sum is positive.

    Args:
        activations: (N, K, h, w).

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Muhammad and Yeasin, "Eigen-CAM", IJCNN 2020, equation 3, without centring.
    """
    return strongest_pattern(activations).relu()


def strongest_pattern(activations: Tensor) -> Tensor:
    """Project the activations (N, K, h, w) on EigenCAM's vector; negative where `eigencam` is 0."""
    activations = activations.float()
    return _turned(_first_component(activations), torch.ones_like(activations[:, 0]))


def eigengradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """EigenGradCAM: the strongest pattern of activation times gradient.

    Its sign is chosen to agree with the evidence, the products' sum over the channels.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: EigenCAM's equation on HiResCAM's products, as pytorch-grad-cam introduced it.
    """
    products = activations.float() * gradients.float()
    return _turned(_first_component(products), products.sum(dim=1)).relu()


def segeigencam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Seg-Eigen-CAM: the strongest pattern of activation times the gradient's magnitude.

    The products are centred, and the sign is chosen so that the largest value is positive.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Chung and Ying, "Seg-Eigen-CAM", Applied Sciences 2025, 15(13), 7562, equations 10-13.
    """
    products = gradients.float().abs() * activations.float()
    pattern = _turned(_first_component(_centred(products)), products.sum(dim=1))
    low, high = pattern.amin(dim=(1, 2), keepdim=True), pattern.amax(dim=(1, 2), keepdim=True)
    is_turned_over = -low > high * (1 + 1e-5)  # equal except for rounding: the evidence decides
    return pattern.where(~is_turned_over, -pattern).relu()


def kpcacam(activations: Tensor) -> Tensor:
    """KPCA-CAM: the strongest pattern among all channels after a non-linear kernel.

    The kernel of two places is tanh(x y / K + 1), where x and y are the centred activations of K
    channels. The sign of a component is arbitrary; it is chosen so that the map increases with the
    channels' sum.

    Args:
        activations: (N, K, h, w).

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Karmani et al., "KPCA-CAM", 2024 (arXiv 2410.00267), with the sigmoid kernel.
    """
    centred = _centred(activations.float())
    flat = centred.flatten(2)
    with torch.autocast(activations.device.type, enabled=False):
        kernel = (flat.transpose(1, 2) @ flat / flat.shape[1] + 1).tanh() - math.tanh(1)
        kernel = kernel - kernel.mean(dim=1, keepdim=True) - kernel.mean(dim=2, keepdim=True)
        kernel = kernel - kernel.mean(dim=(1, 2), keepdim=True)
        pattern = _strongest(kernel).view_as(centred[:, 0])
    return _turned(pattern, centred.sum(dim=1)).relu()


def fem(activations: Tensor) -> Tensor:
    """FEM: the places where channels are unusually strong, independent of the class.

    A channel marks the places at which it is at least two standard deviations above its mean; the
    weight of its marks is its mean.

    Args:
        activations: (N, K, h, w).

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Fuad et al., "Features Understanding in 3D CNNs for Actions Recognition in Video",
    IPTA 2020.
    """
    activations = activations.float()
    means = activations.mean(dim=(2, 3), keepdim=True)
    deviations = (activations - means).square().mean(dim=(2, 3), keepdim=True).sqrt()
    marked = (activations > means) & (activations >= means + 2 * deviations)
    return weighted_sum(means[..., 0, 0], marked)


def _first_component(values: Tensor) -> Tensor:
    """Project the channels (N, K, h, w) of each place on their first right singular vector.

    The vector is computed from the Gram matrix of channels or places, whichever are fewer.
    """
    flat = values.flatten(2)  # (N, K, places), the transpose of the matrix in the papers
    with torch.autocast(values.device.type, enabled=False):  # in float16 it would overflow
        if flat.shape[1] < flat.shape[2]:
            first = _largest(flat @ flat.transpose(1, 2))[1]
            projection = (first[:, None] @ flat)[:, 0]
        else:
            projection = _strongest(flat.transpose(1, 2) @ flat)
    return projection.view_as(values[:, 0])


def _strongest(gram: Tensor) -> Tensor:
    """Return the first component (N, n) of n vectors, given their products (N, n, n)."""
    eigenvalues, vectors = _largest(gram)
    return vectors * eigenvalues[:, None].clamp_min(0).sqrt()


def _largest(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest eigenvalues (N,) of matrices (N, n, n) and their vectors (N, n)."""
    values, vectors = torch.linalg.eigh(symmetric.cpu())  # not every device supports `eigh`
    return values[:, -1].to(symmetric.device), vectors[..., -1].to(symmetric.device)


def _centred(values: Tensor) -> Tensor:
    return values - values.mean(dim=(2, 3), keepdim=True)


def _turned(patterns: Tensor, direction: Tensor) -> Tensor:
    """Choose the arbitrary sign of patterns (N, h, w) to agree with the direction's."""
    agreement = (patterns * direction).sum(dim=(1, 2), keepdim=True)
    return patterns.where(agreement >= 0, -patterns)
