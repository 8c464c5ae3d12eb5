"""Figures of a network on validation images, and a finished model's answers for images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from cxr_gradcam.data.cut_outs import CutOuts
from cxr_gradcam.data.dataset import PHANTOMS, LabelledImages
from cxr_gradcam.data.split import Split
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.fast_trunk import fast_dtype
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

BATCH_SIZE = 32


def validate(
    network: nn.Module, preprocessing: Preprocessing, data: LabelledImages, split: Split
) -> dict[str, float]:
    """Measure a network on validation images.

    Cut-outs are shown with exchanged outlines, the same at every call.

    Args:
        network: the network, from normalised images to logits; it is left in eval mode.
        preprocessing: how the network's input is made.
        data: the validation images.
        split: the split, with names of sources and classes.

    Returns:
        {source: area under the ROC curve, rounded to four places} for each source that has every
        class; {"all": area} if no source has.
    """
    cut_outs = CutOuts(data.images, data.labels, split.is_cut_out(data.source_of))
    everything = torch.arange(len(data))
    images = cut_outs.exchange(data.images, everything, torch.Generator().manual_seed(0))
    probabilities = _predict(network, preprocessing, images)
    aucs = {}
    for index, name in enumerate((*split.sources, PHANTOMS)):
        members = (data.source_of == index) & cut_outs.usable
        labels = data.labels[members].numpy()
        if len(np.unique(labels)) == len(split.class_names):
            aucs[name] = round(mean_auc(labels, probabilities[members.numpy()]), 4)
    return aucs or {"all": round(mean_auc(data.labels.numpy(), probabilities), 4)}


def mean_auc(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """Return the area under the ROC curve; for several classes, the mean of each against the rest.

    Args:
        labels: int64 (N,), index of each image's class; every class occurs.
        probabilities: (N, C).
    """
    # With two classes, either one gives the same area.
    scores = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return float(roc_auc_score(labels, scores, multi_class="ovr"))


def network_input(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return the input of a network for grey images.

    Args:
        images: (N, 1, H, W) in [0, 1].
        preprocessing: how the input is made.

    Returns:
        (N, channels, H, W), channels last in memory.
    """
    return preprocessing.normalize(images).contiguous(memory_format=torch.channels_last)


def autocast(device: torch.device) -> torch.autocast:
    """Return a context that computes in bf16 if the device has instructions for it."""
    enabled = fast_dtype(device) is torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@torch.inference_mode()
def _predict(
    network: nn.Module, preprocessing: Preprocessing, images: Tensor
) -> NDArray[np.float32]:
    network.eval()
    device = next(network.parameters()).device
    probabilities = []
    for batch in images.split(BATCH_SIZE):
        with autocast(device):
            logits = network(network_input(batch.to(device).float() / 255, preprocessing))
        probabilities.append(logits.float().softmax(dim=1).cpu())
    return torch.cat(probabilities).numpy()


def look(model: ResNet50FineTuned | CAM, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features (N, K) and logits (N, C) of images, in full precision.

    Args:
        model: the classifier.
        images: uint8 (N, 1, H, W) of the size of the model's input.
    """
    batches = images.split(BATCH_SIZE)
    console = Console(stderr=True)
    looked = [
        _features(model, model.preprocessing.normalize(batch.float() / 255))
        for batch in track(batches, "looking", console=console, transient=True)
    ]
    return torch.cat([features for features, _ in looked]), torch.cat(
        [logits for _, logits in looked]
    )


def _features(model: ResNet50FineTuned | CAM, x: Tensor) -> tuple[Tensor, Tensor]:
    if not isinstance(model, CAM):
        return model.features(x)
    with torch.no_grad():
        forward_pass = model.record(x)
    if forward_pass.features is None:
        raise ValueError(
            "this network has no features in front of a linear head, which the "
            "out-of-distribution detector needs, so it cannot be calibrated: end it in a Linear "
            "layer"
        )
    return forward_pass.features, forward_pass.logits
