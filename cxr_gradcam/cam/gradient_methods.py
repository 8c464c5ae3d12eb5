"""CAM methods that are functions of a layer's activations A and their gradients G.

A and G are (N, K, h, w), G the gradient of the explained score with respect to A; a map is
(N, h, w), float32, at least 0 and not normalised. `maps.fuse` brings maps to an image's grid.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cxr_gradcam.cam.maps import weighted_sum


def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM: the activations' sum, weighted by the mean gradient of each channel, above zero.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and 2.
    """
    return weighted_sum(gradients.float().mean(dim=(2, 3)), activations)


def gradcam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM++: each positive gradient counts with a share that favours small regions.

    With the exponential of the score that the paper assumes, the share of a gradient g in a channel
    whose activations sum to S is g² / (2 g² + S g³) = 1 / (2 + S g). The paper has activations of
    one sign in mind, as they are behind a ReLU. With both signs the share has a pole, so S is the
    sum of magnitudes, which changes nothing for activations above zero.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Chattopadhay et al., "Grad-CAM++", WACV 2018, equations 1, 5 and 19.
    """
    positive = gradients.float().relu()
    sums = activations.float().abs().sum(dim=(2, 3), keepdim=True)
    weights = (positive / (2 + sums * positive)).sum(dim=(2, 3))
    return weighted_sum(weights, activations)


def xgradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """XGrad-CAM: like Grad-CAM, but a gradient counts by the share of its activation.

    The paper has activations of one sign in mind, as they are behind a ReLU. Where both signs occur
    their sum may be close to 0 and the shares explode, so magnitudes are used, which changes
    nothing for one sign.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised. A channel without any activation has
        no weight.

    Source: Fu et al., "Axiom-based Grad-CAM", BMVC 2020, equation 8.
    """
    magnitudes = activations.float().abs()
    weighted = (magnitudes * gradients.float()).sum(dim=(2, 3))
    return weighted_sum(_divide(weighted, magnitudes.sum(dim=(2, 3))), activations)


def hirescam(activations: Tensor, gradients: Tensor) -> Tensor:
    """HiResCAM: activation times gradient at each place, summed over the channels, above zero.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Draelos and Carin, "Use HiResCAM instead of Grad-CAM", 2020, section 3.3.
    """
    return (activations.float() * gradients.float()).sum(dim=1).relu()


def elementwise(activations: Tensor, gradients: Tensor) -> Tensor:
    """Element-wise Grad-CAM: like HiResCAM, but no channel takes away what another adds.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Pillai and Pirsiavash, "Explainable Models with Consistent Interpretations", AAAI 2021.
    """
    return (activations.float() * gradients.float()).relu().sum(dim=1)


def layercam(activations: Tensor, gradients: Tensor) -> Tensor:
    """LayerCAM: each activation weighted by its own gradient where that is positive.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Jiang et al., "LayerCAM", IEEE Transactions on Image Processing 2021, equations 5-7.
    """
    return (gradients.float().relu() * activations.float()).sum(dim=1).relu()


def eigencam(activations: Tensor) -> Tensor:
    """EigenCAM: the strongest pattern among all channels, whatever the class.

    It is the projection on the first right singular vector. A singular vector has no sign of its
    own; this one's projection is positive on the whole.

    Args:
        activations: (N, K, h, w).

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Muhammad and Yeasin, "Eigen-CAM", IJCNN 2020, equation 3; nothing is centred there.
    """
    return strongest_pattern(activations).relu()


def strongest_pattern(activations: Tensor) -> Tensor:
    """Project the activations (N, K, h, w) on EigenCAM's vector; below 0 where `eigencam` is 0."""
    activations = activations.float()
    return _first_component(activations, torch.ones_like(activations[:, 0]))


def eigengradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """EigenGradCAM: the strongest pattern of activation times gradient.

    The pattern is positive where the products' sum over the channels, the evidence, is.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: EigenCAM's equation on HiResCAM's products, as pytorch-grad-cam introduced it.
    """
    products = activations.float() * gradients.float()
    return _first_component(products, products.sum(dim=1)).relu()


def _divide(dividend: Tensor, divisor: Tensor) -> Tensor:
    """Divide; what would be divided by 0 becomes 0."""
    return (dividend / divisor.where(divisor != 0, 1)).where(divisor != 0, 0)


def _first_component(values: Tensor, direction: Tensor) -> Tensor:
    """Project the channels (N, K, h, w) of each place on their first right singular vector.

    It is found by the Gram matrix of the channels or of the places, whichever are fewer. Its sign
    is chosen to agree with `direction`.
    """
    flat = values.flatten(2)  # (N, K, places), the transpose of the matrix in the papers
    few_channels = flat.shape[1] < flat.shape[2]
    rows = flat if few_channels else flat.transpose(1, 2)
    with torch.autocast(values.device.type, enabled=False):  # in float16 it would overflow
        gram = (rows @ rows.transpose(1, 2)).cpu()  # not every device can decompose
        eigenvalues, vectors = torch.linalg.eigh(gram)
        first: Tensor = vectors[..., -1].to(values.device)
        if few_channels:
            projection = (first[:, None] @ flat)[:, 0]
        else:
            projection = first * eigenvalues[..., -1:].clamp_min(0).sqrt().to(values.device)
    agreement: Tensor = (projection * direction.flatten(1)).sum(dim=1, keepdim=True)
    return projection.where(agreement >= 0, -projection).view_as(direction)
