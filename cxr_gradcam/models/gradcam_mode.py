"""Grad-CAM at a ResNet50's last convolution: on and off, and in the caller's graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from torchvision.models import ResNet

from cxr_gradcam.cam.gradient_methods import gradcam
from cxr_gradcam.cam.hooks import capture_activations, capturing, score_gradients
from cxr_gradcam.cam.targets import ClassIdx, target_weights
from cxr_gradcam.models.stages import CONV3


class GradCAMMode(nn.Module):
    """A module around a ResNet50 whose target layer has a hook while Grad-CAM is on.

    Attributes:
        resnet50: the network; set by the subclass.
    """

    resnet50: ResNet

    def __init__(self) -> None:
        super().__init__()
        self._gradcam_handle: RemovableHandle | None = None

    @property
    def target_layer(self) -> nn.Module:
        """The layer whose activations make the map: the last convolution."""
        return self.resnet50.layer4[-1].conv3  # type: ignore[no-any-return]

    @property
    def gradcam_enabled(self) -> bool:
        """Whether Grad-CAM is enabled."""
        return self._gradcam_handle is not None

    def enable_gradcam_mode(self) -> None:
        """Register the hook on the target layer; a second call changes nothing."""
        if self._gradcam_handle is None:
            self._gradcam_handle = self.target_layer.register_forward_hook(capture_activations)

    def disable_gradcam_mode(self) -> None:
        """Remove the hook from the target layer; a second call changes nothing."""
        if self._gradcam_handle is not None:
            self._gradcam_handle.remove()
            self._gradcam_handle = None

    def require_gradcam(self, x: Tensor) -> None:
        """Raise an error for images or a state with which no map can be made.

        Raises:
            RuntimeError: Grad-CAM is not enabled, or the model can have no gradients.
            ValueError: `x` is not (N, C, H, W) with the network's C.
        """
        if not self.gradcam_enabled:
            raise RuntimeError(
                "Grad-CAM is not enabled: call enable_gradcam_mode() first, or build the model "
                "with enable_gradcam=True"
            )
        channels = self.resnet50.conv1.in_channels
        if x.ndim != 4 or x.shape[1] != channels:
            raise ValueError(f"images (N, {channels}, H, W) are needed, not {tuple(x.shape)}")
        if self.resnet50.fc.weight.is_inference():
            raise RuntimeError(
                "a model that was built inside torch.inference_mode() has no gradients to make "
                "maps of: build it outside"
            )


def gradcam_in_graph(network: ResNet, x: Tensor, class_idx: ClassIdx) -> tuple[Tensor, Tensor]:
    """Classify and map in the caller's mode and autograd graph.

    Args:
        network: a ResNet50 with `capture_activations` hooked on its last convolution.
        x: normalised images (N, 3, H, W).
        class_idx: the class explained: None for each sample's predicted class, one index for all
            samples, or one per sample.

    Returns:
        Logits (N, C), with their graph if the caller trains layers before them, and maps (N, h, w),
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
    """Whether any layer after the target layer is trained (a replica has no `parameters()`)."""
    behind = (network.layer4[-1].bn3, network.fc)
    return any(layer.weight.requires_grad or layer.bias.requires_grad for layer in behind)
