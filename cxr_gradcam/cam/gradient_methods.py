"""CAM methods that are functions of a layer's activations A and their gradients G.

A and G are (N, K, h, w), G the gradient of the explained score with respect to A; a map is
(N, h, w), float32, at least 0 and not normalised. `maps.fuse` brings maps to an image's grid.
"""

from __future__ import annotations

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


def cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """CAM: the activations' sum, weighted by what the head makes of each channel, above zero.

    Where a global average and a linear layer follow, the head's weight is the sum of the channel's
    gradients over the places: the chain rule gives it, whatever the network. There the map is that
    of Grad-CAM times the number of places, in units of the score.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016,
    equation 2.
    """
    return weighted_sum(gradients.float().sum(dim=(2, 3)), activations)


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


def shapleycam(activations: Tensor, gradients: Tensor, curvature: Tensor) -> Tensor:
    """ShapleyCAM: like Grad-CAM, but a gradient is corrected by half of its change on the way.

    What a channel adds on the way from nothing to its activation is estimated to second order.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the score of `ForwardPass.second_order`.
        curvature: (N, K, h, w), that score's Hessian times the activations.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Cai, "CAMs as Shapley Value-based Explainers", 2025 (arXiv 2501.06261).
    """
    return gradcam(activations, gradients.float() - curvature.float() / 2)


def smooth_gradcam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Smooth Grad-CAM++: Grad-CAM++ with the gradients' powers averaged over noisy images.

    A channel's share at a place is D2 / (2 D2 + S D3), Dp the mean of the positive gradients' p-th
    power and S the sum of the activations' magnitudes; it weighs the mean gradient, above zero. The
    paper has D1 above the line, which for images without noise is not Grad-CAM++.

    Args:
        activations: (N, K, h, w), of the images themselves.
        gradients: (S, N, K, h, w), of the class score of S noisy versions of each image.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Omeiza et al., "Smooth Grad-CAM++", 2019 (arXiv 1908.01224).
    """
    gradients = gradients.float()
    positive = gradients.relu()
    squares, cubes = positive.square().mean(dim=0), positive.pow(3).mean(dim=0)
    sums = activations.float().abs().sum(dim=(2, 3), keepdim=True)
    shares = _divide(squares, 2 * squares + sums * cubes)
    return weighted_sum((shares * gradients.mean(dim=0).relu()).sum(dim=(2, 3)), activations)


def _divide(dividend: Tensor, divisor: Tensor) -> Tensor:
    """Divide; what would be divided by 0 becomes 0."""
    return (dividend / divisor.where(divisor != 0, 1)).where(divisor != 0, 0)
