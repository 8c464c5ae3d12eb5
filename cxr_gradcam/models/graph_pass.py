"""Grad-CAM inside a forward pass whose graph the caller may go on to differentiate."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models import ResNet

from cxr_gradcam.cam.gradient_methods import gradcam
from cxr_gradcam.cam.hooks import capturing, score_gradients
from cxr_gradcam.cam.targets import ClassIdx, target_weights
from cxr_gradcam.models.stages import CONV3


def gradcam_in_graph(network: ResNet, x: Tensor, class_idx: ClassIdx) -> tuple[Tensor, Tensor]:
    """Classify and map in the mode and graph of the caller.

    Args:
        network: a ResNet50 with `capture_activations` hooked on its last convolution.
        x: normalised images (N, 3, H, W).
        class_idx: as in `target_weights`.

    Returns:
        Logits (N, C), with their graph where the caller trains what made them, and maps (N, h, w),
        float32, at least 0, not normalised.
    """
    last_block = network.layer4[-1]
    grad_enabled = torch.is_grad_enabled()
    with capturing({CONV3: last_block.conv3}) as capture:
        logits = network(x)
        activations = capture.outputs[CONV3]
        wants_graph = grad_enabled and (not capture.is_cut or _trains_head(network))
        weights = target_weights(logits.detach(), class_idx)
        (gradients,) = score_gradients(logits, weights, [activations], retain_graph=wants_graph)
        maps = gradcam(activations.detach(), gradients)
    return logits if wants_graph else logits.detach(), maps


def _trains_head(network: ResNet) -> bool:
    """Whether anything behind the target layer trains (a replica has no `parameters()`)."""
    behind = (network.layer4[-1].bn3, network.fc)
    return any(layer.weight.requires_grad or layer.bias.requires_grad for layer in behind)
