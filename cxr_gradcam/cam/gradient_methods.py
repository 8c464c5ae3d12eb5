"""CAM methods that are functions of a layer's activations A and their gradients G.

A and G are (N, K, h, w), G the gradient of the explained score with respect to A; a map is
(N, h, w), float32, at least 0 and not normalised. `maps.fuse` brings maps to an image's grid.
"""

from __future__ import annotations

from torch import Tensor

from cxr_gradcam.cam.maps import weighted_sum


def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM: the positive part of the sum of activations, weighted by mean gradients.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and 2.
    """
    return weighted_sum(gradients.float().mean(dim=(2, 3)), activations)


def cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """CAM: the positive part of the sum of activations, weighted by the head's weights.

    If a global average and a linear layer follow, the chain rule gives the head's weight as the sum
    of the channel's gradients over the places. The map is then Grad-CAM's map times the number of
    places, in units of the score.

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
    """Grad-CAM++: each positive gradient has a weight that favours small regions.

    With the exponential of the score that the paper assumes, the weight of a gradient g in a
    channel whose activations sum to S is g² / (2 g² + S g³) = 1 / (2 + S g). The paper assumes
    activations of one sign, as after a ReLU. With both signs the weight has a pole, so S is the sum
    of magnitudes, which is the same for positive activations.

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
    """XGrad-CAM: like Grad-CAM, but a gradient is weighted by the share of its activation.

    The paper assumes activations of one sign, as after a ReLU. If both signs occur, their sum may
    be close to 0 and the shares become huge, so magnitudes are used; for one sign this is the same.

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
    """HiResCAM: the positive part of activation times gradient, summed over the channels.

    Args:
        activations: (N, K, h, w).
        gradients: (N, K, h, w), of the class score.

    Returns:
        Maps (N, h, w), float32, at least 0, not normalised.

    Source: Draelos and Carin, "Use HiResCAM instead of Grad-CAM", 2020, section 3.3.
    """
    return (activations.float() * gradients.float()).sum(dim=1).relu()


def elementwise(activations: Tensor, gradients: Tensor) -> Tensor:
    """Element-wise Grad-CAM: like HiResCAM, but only positive products are summed.

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
    """ShapleyCAM: like Grad-CAM, but a gradient is corrected by half of its change.

    A channel's contribution, from zero to its activation, is estimated to second order.

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

    A channel's weight at a place is D2 / (2 D2 + S D3), where Dp is the mean of the positive
    gradients' p-th power and S the sum of the activations' magnitudes. It weights the positive part
    of the mean gradient. The paper has D1 in the numerator, which without noise is not Grad-CAM++.

    Args:
        activations: (N, K, h, w), of the images without noise.
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
    """Divide; a division by 0 gives 0."""
    return (dividend / divisor.where(divisor != 0, 1)).where(divisor != 0, 0)
