"""Networks that are trained: the package's ResNet50, and networks of torchvision and timm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    is_ours,
    load_checkpoint,
)
from cxr_gradcam.models.importing import load_model
from cxr_gradcam.models.importing.architectures import (
    is_counter,
    new_network,
    without_prefixes,
)
from cxr_gradcam.models.importing.weight_files import read_weights
from cxr_gradcam.models.library_records import guess_preprocessing, last_linear
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.resnet50 import ResNet50FineTuned


def build_network(name: str, num_classes: int, weights: Path | None = None) -> nn.Module:
    """Build a network by its name, and load a file of weights into it.

    Args:
        name: "timm:NAME" or "torchvision:NAME"; without a prefix torchvision's network if there is
            one of that name, else timm's.
        num_classes: C, outputs of the linear head.
        weights: a state dict, as .safetensors or of `torch.save`. The file's head is ignored if it
            has another number of classes. None for random weights.

    Returns:
        The network, from images (N, 3, H, W) to logits (N, C).

    Raises:
        ValueError: the network has no linear head.
        CheckpointError: there is no such network, timm is not installed, or the weights cannot be
            read or do not fit.
    """
    network = new_network(name, num_classes)
    if last_linear(network).out_features != num_classes:
        raise ValueError(
            f"the network {name!r} has no linear head of {num_classes} classes: choose another"
        )
    if weights is not None:
        load_weights(network, weights)
    return network


def build_resnet50(num_classes: int, weights: str | None) -> ResNet50FineTuned:
    """Build the package's ResNet50, and load weights of any origin into it.

    Args:
        num_classes: C; the head keeps random values if the weights have another number.
        weights: a value for `ResNet50FineTuned`, or a file of a ResNet50 that `load_model` can
            read; None for random weights.

    Raises:
        CheckpointError: the weights cannot be read, or belong to another network.
    """
    if weights is None or not Path(weights).exists() or is_ours(Path(weights)):
        return ResNet50FineTuned(num_classes, freeze_features=False, weights=weights)
    loaded = load_model(weights)
    if not isinstance(loaded, ResNet50FineTuned):
        name = loaded.provenance.architecture if loaded.provenance else "another network"
        raise CheckpointError(f"{weights} holds a {name}: name the network by --network")
    model = ResNet50FineTuned(num_classes, freeze_features=False, weights=None)
    state = loaded.state_dict()
    if len(loaded.class_names) != num_classes:
        state |= model.resnet50.fc.state_dict(prefix="resnet50.fc.")
    model.load_state_dict(state)
    model.preprocessing = loaded.preprocessing
    return model


def preprocessing_of(network: nn.Module, size: int) -> Preprocessing:
    """Return how the input of published weights is made: from timm, or ImageNet's for torchvision.

    Args:
        network: a network of torchvision or timm.
        size: side of the square input in pixels.
    """
    return replace(guess_preprocessing(network), size=size)


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a file of weights into a network of the same architecture.

    If the names differ, as between two libraries' versions of an architecture, tensors are assigned
    in the order of the file, if all shapes agree; safetensors keep no order. No code in the file is
    executed.

    Args:
        network: the network; its head keeps its values if the file's head has another number of
            classes.
        path: a state dict, as .safetensors or of `torch.save`.

    Raises:
        CheckpointError: the file cannot be read, or a tensor is missing or of another shape.
    """
    own = {name: t for name, t in network.state_dict().items() if not is_counter(name)}
    classes = last_linear(network).out_features
    head = {*[name for name, t in own.items() if t.shape[:1] == (classes,)][-2:]}
    versions = list(without_prefixes(read_weights(path).tensors))
    state = next((version for version in versions if {*own} - head <= {*version}), None)
    state = _renamed_in_order(versions[0], own, path) if state is None else state
    fitting = {
        name: tensor
        for name, tensor in state.items()
        if name in own and (name not in head or tensor.shape == own[name].shape)
    }
    wrong = [name for name, tensor in fitting.items() if tensor.shape != own[name].shape]
    if wrong:
        raise CheckpointError(
            f"{path}: {wrong[0]} is {tuple(fitting[wrong[0]].shape)}, the network wants "
            f"{tuple(own[wrong[0]].shape)}: name the network of these weights by --network"
        )
    network.load_state_dict(fitting, strict=False)


def load_teacher(path: Path) -> tuple[nn.Module, Checkpoint]:
    """Load weights of any network that `train` wrote, in eval mode and without gradients.

    Args:
        path: the .safetensors file.

    Returns:
        The network, from images (N, 3, H, W) to logits (N, C), and the checkpoint.

    Raises:
        CheckpointError: the file cannot be read, does not fit its network, or names an unknown one.
    """
    checkpoint = load_checkpoint(path)
    name = checkpoint.training.get("network")
    if name is None:
        network: nn.Module = ResNet50FineTuned.from_checkpoint(
            path, enable_gradcam=False, fast=False
        )
    else:
        network = build_network(name, len(checkpoint.class_names))
        network.load_state_dict(dict(checkpoint.state_dict))
    return network.eval().requires_grad_(False), checkpoint


def zero_residuals(network: nn.Module) -> None:
    """Make each residual branch start at zero, so that training with Adam is stable.

    Args:
        network: any network; its bottleneck blocks are changed.

    Source: Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 5.1.
    """
    for block in network.modules():
        if isinstance(block, Bottleneck):
            nn.init.zeros_(block.bn3.weight)


def statistics(images: Tensor, size: int) -> Preprocessing:
    """Return the mean and standard deviation of all pixels, the same for the three channels.

    Args:
        images: uint8 (N, 1, H, W).
        size: side of the input in pixels.
    """
    counts = torch.bincount(images.flatten().int(), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = float((counts * values).sum() / counts.sum())
    std = float(((counts * (values - mean) ** 2).sum() / counts.sum()).sqrt())
    return Preprocessing(size, (round(mean, 4),) * 3, (round(std, 4),) * 3)


def _renamed_in_order(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """Rename tensors to a network's names, in order; the head, which is last, may differ."""
    pairs = list(zip(own.items(), state.items(), strict=False))
    if len(own) != len(state) or any(a.shape != b.shape for (_, a), (_, b) in pairs[:-2]):
        raise CheckpointError(
            f"{path} does not fit the network: its {len(state)} tensors are not the network's "
            f"{len(own)} in name, or in number, order and shape: name the network of these "
            "weights by --network"
        )
    return {name: tensor for (name, _), (_, tensor) in pairs}
