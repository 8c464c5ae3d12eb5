"""A loss that moves Grad-CAM's maps to the positions of lesions, or into the lungs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cxr_gradcam.anatomy.network import SIDE
from cxr_gradcam.anatomy.outline import bundled_outliner
from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.data.dataset import LabelledImages
from cxr_gradcam.data.split import Split
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

SHARPNESS = 2.0
"""The factor on a map, in units of its own standard deviation, before the softmax."""
OUTSIDE = 1e-4
"""The share of every place that counts as inside, so that places far outside get a gradient."""


def with_lungs(training: LabelledImages, split: Split) -> LabelledImages:
    """Outline the lungs of whole radiographs with a finding.

    Radiographs whose outline is not plausible keep none.

    Args:
        training: the training images.
        split: the split, with the class without a finding and the sources of cut-outs.
    """
    real = training.radiographs
    ill = training.labels[:real] != (-1 if split.absence is None else split.absence)
    whole = ill & ~split.is_cut_out(training.source_of[:real])
    lungs = torch.zeros((real, 1, SIDE, SIDE), dtype=torch.uint8)
    outliner = bundled_outliner()
    for index in whole.nonzero()[:, 0].tolist():
        grey = training.images[index, 0].numpy().astype(np.float32) / np.float32(255)
        found = outliner.outline(grey, (grey.shape[0], grey.shape[1]))
        if found.is_plausible:
            lungs[index, 0] = torch.from_numpy(np.any(found.masks, axis=0)) * 255
    return replace(training, lungs=lungs)


def gradcam_evidence(model: ResNet50FineTuned, middle: Tensor, class_idx: Tensor) -> list[Tensor]:
    """Return Grad-CAM's maps of a class before their ReLU, with their graph.

    The maps are those of the two layers of the fine map (Selvaraju et al. 2017, equations 1 and 2).
    Their gradients can be differentiated again.

    Args:
        model: the network, with Grad-CAM mode off, so that no hook cuts the graph. Batch
            normalisation uses running statistics, as when maps are shown.
        middle: (N, 1024, h, w), the output of the third stage, with its graph.
        class_idx: (N,), index of each image's class.

    Returns:
        Maps (N, h, w) at the third stage, and (N, h / 2, w / 2) at the last convolution.
    """
    network = model.resnet50
    with evaluating(network.layer4), outputs_of(network.layer4[-1].conv3) as kept:
        logits = network.fc(network.layer4(middle).mean(dim=(2, 3)))
    layers = [middle, kept[0]]
    asked = logits.float().gather(1, class_idx[:, None]).sum()
    gradients = torch.autograd.grad(asked, layers, create_graph=True)
    return [
        (activations.float() * gradient.float().mean(dim=(2, 3), keepdim=True)).sum(dim=1)
        for activations, gradient in zip(layers, gradients, strict=True)
    ]


def location_loss(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Measure how much of each image's maps lies outside its lesion, or its lungs.

    A softmax over the places of a map gives each place its share. The loss includes both maps and
    their sum.

    Args:
        maps: maps (N, h, w) and coarser maps (N, h', w').
        masks: (N, 1, H, W) in [0, 1], each with a lesion or lungs.

    Returns:
        (N,), the mean over the maps of -log of the share inside.
    """
    fine, coarse = (
        each / (each.detach().flatten(1).std(dim=1)[:, None, None] + 1e-6) for each in maps
    )
    stretched = F.interpolate(coarse[:, None], fine.shape[-2:], mode="bilinear")[:, 0]
    return torch.stack([_outside(each, masks) for each in (fine, coarse, fine + stretched)]).mean(
        dim=0
    )


def _outside(evidence: Tensor, masks: Tensor) -> Tensor:
    """Return -log of the share of the evidence (N, h, w) that lies in the masks: (N,)."""
    inside = F.adaptive_avg_pool2d(masks, (evidence.shape[-2], evidence.shape[-1])).flatten(1)
    inside = inside / inside.amax(dim=1, keepdim=True)
    places = (SHARPNESS * evidence).flatten(1).log_softmax(dim=1)
    return -torch.logsumexp(places + (inside + OUTSIDE).log(), dim=1)


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect a module's outputs within the context.

    Args:
        module: the module.

    Yields:
        The list that the outputs are appended to.
    """
    outputs: list[Tensor] = []
    handle = module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()
