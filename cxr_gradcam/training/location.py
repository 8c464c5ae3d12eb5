"""Leads the maps that the app shows to where lesions lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

SHARPNESS = 2.0
"""What a map in units of its own standard deviation is multiplied by before its softmax."""
OUTSIDE = 1e-4
"""What counts as inside everywhere, so that evidence far outside has a gradient too."""


def gradcam_evidence(model: ResNet50FineTuned, middle: Tensor, class_idx: int) -> list[Tensor]:
    """Return Grad-CAM's maps of a class before their ReLU, with their graph.

    Both layers of the fine map are led, each by its own gradient, which is differentiated once
    more (Selvaraju et al. 2017, equations 1 and 2).

    Args:
        model: its Grad-CAM mode is off, so that no hook cuts the graph. Batch normalisation uses
            its running statistics, as it does where maps are shown.
        middle: (N, 1024, h, w), the output of the third stage, with its graph.
        class_idx: index of the class.

    Returns:
        Maps (N, h, w) at the third stage, and (N, h / 2, w / 2) at the last convolution.
    """
    network = model.resnet50
    with evaluating(network.layer4), outputs_of(network.layer4[-1].conv3) as kept:
        logits = network.fc(network.layer4(middle).mean(dim=(2, 3)))
    layers = [middle, kept[0]]
    gradients = torch.autograd.grad(logits[:, class_idx].float().sum(), layers, create_graph=True)
    return [
        (activations.float() * gradient.float().mean(dim=(2, 3), keepdim=True)).sum(dim=1)
        for activations, gradient in zip(layers, gradients, strict=True)
    ]


def location_loss(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Measure how little of the maps' evidence lies in the lesions.

    A map's evidence is a softmax over its places. Led are both maps, and their sum.

    Args:
        maps: (N, h, w) and (N, h', w'), the second one coarser.
        masks: (N, 1, H, W) in [0, 1], each with a lesion.

    Returns:
        The mean of -log of the share inside, over maps and images.
    """
    fine, coarse = (
        each / (each.detach().flatten(1).std(dim=1)[:, None, None] + 1e-6) for each in maps
    )
    stretched = F.interpolate(coarse[:, None], fine.shape[-2:], mode="bilinear")[:, 0]
    return torch.stack([_outside(each, masks) for each in (fine, coarse, fine + stretched)]).mean()


def _outside(evidence: Tensor, masks: Tensor) -> Tensor:
    """Return -log of the share of the evidence (N, h, w) that lies in the masks: (N,)."""
    inside = F.adaptive_avg_pool2d(masks, (evidence.shape[-2], evidence.shape[-1])).flatten(1)
    inside = inside / inside.amax(dim=1, keepdim=True)
    places = (SHARPNESS * evidence).flatten(1).log_softmax(dim=1)
    return -torch.logsumexp(places + (inside + OUTSIDE).log(), dim=1)


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect a module's outputs, in the order in which they come."""
    outputs: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()
