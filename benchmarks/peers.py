"""Grad-CAM by other libraries, each in the usage its own documentation shows.

Extractors and their hooks are made once. Class scores stay logits; maps are brought to the
input's size where the library leaves that to its user.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models import ResNet


@dataclass(frozen=True)
class GradCAMWork:
    """One library's Grad-CAM of one input.

    Attributes:
        run: the work as its users do it.
        raw_maps: the same maps (N, h, w), at least 0, as they are before scaling and resizing.
    """

    run: Callable[[], object]
    raw_maps: Callable[[], Tensor]


def torchcam(network: ResNet, x: Tensor, class_idx: int) -> GradCAMWork:
    """torchcam: a forward pass with a graph, then the extractor's call."""
    from torchcam.methods import GradCAM

    extractor = GradCAM(network, network.layer4[-1].conv3)

    def run() -> Tensor:
        maps = extractor(class_idx, network(x))[0]
        return F.interpolate(maps[:, None], x.shape[-2:], mode="bilinear")

    return GradCAMWork(run, lambda: extractor(class_idx, network(x), normalized=False)[0])


def captum(network: ResNet, x: Tensor, class_idx: int) -> GradCAMWork:
    """captum: LayerGradCam and LayerAttribution.interpolate."""
    from captum.attr import LayerAttribution, LayerGradCam

    explainer = LayerGradCam(network, network.layer4[-1].conv3)

    def attribute() -> Tensor:
        maps: Tensor = explainer.attribute(x, target=class_idx, relu_attributions=True)
        return maps

    def run() -> Tensor:
        size = (x.shape[-2], x.shape[-1])
        resized: Tensor = LayerAttribution.interpolate(attribute(), size, "bilinear")
        return resized

    return GradCAMWork(run, lambda: attribute().detach()[:, 0])


def pytorch_grad_cam(network: ResNet, x: Tensor, class_idx: int) -> GradCAMWork:
    """pytorch-grad-cam: the call of its GradCAM, which scales and resizes."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    layer = network.layer4[-1].conv3
    cam = GradCAM(model=network, target_layers=[layer])
    targets = [ClassifierOutputTarget(class_idx)] * len(x)

    def run() -> object:
        return cam(input_tensor=x, targets=targets)

    def raw_maps() -> Tensor:
        run()
        captured = cam.activations_and_grads
        activations, gradients = captured.activations[0].numpy(), captured.gradients[0].numpy()
        return torch.tensor(cam.get_cam_image(x, layer, targets, activations, gradients)).relu()

    return GradCAMWork(run, raw_maps)


def monai(network: ResNet, x: Tensor, class_idx: int) -> GradCAMWork:
    """MONAI: the call of its GradCAM, which scales and resizes."""
    from monai.visualize.class_activation_maps import GradCAM

    # It only says that the trunk has no graph.
    warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)
    cam: Any = GradCAM(nn_module=network, target_layers=f"layer4.{len(network.layer4) - 1}.conv3")
    return GradCAMWork(
        lambda: cam(x=x, class_idx=class_idx),
        lambda: cam.compute_map(x, class_idx=class_idx).detach()[:, 0],
    )


PEERS = {
    "torchcam": torchcam,
    "captum": captum,
    "grad-cam": pytorch_grad_cam,
    "monai": monai,
}
"""The peers by the names of their packages."""
