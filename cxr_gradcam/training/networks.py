"""Networks that are trained: the package's ResNet50, and torchvision's and timm's by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    is_ours,
    load_checkpoint,
)
from cxr_gradcam.models.importing import load_model
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

TIMM, TORCHVISION = "timm:", "torchvision:"
_NESTED = ("state_dict", "model", "model_state_dict")


def build_network(name: str, num_classes: int, weights: Path | None = None) -> nn.Module:
    """Build a network by its name, and load a file of weights into it.

    Args:
        name: "timm:NAME" or "torchvision:NAME"; without a prefix torchvision's where it has one of
            that name, else timm's.
        num_classes: C, outputs of the linear head.
        weights: a state dict, .safetensors or what `torch.save` wrote; its head is left out where
            it is of other classes. None for random weights.

    Returns:
        The network, from images (N, 3, H, W) to logits (N, C).

    Raises:
        ValueError: there is no such network, it has no linear head, or timm is not installed.
        CheckpointError: the weights cannot be read or do not fit.
    """
    network = _build(name, num_classes)
    if head_of(network).out_features != num_classes:
        raise ValueError(f"the network {name!r} has no linear head of {num_classes} classes")
    if weights is not None:
        load_weights(network, weights)
    return network


def build_resnet50(num_classes: int, weights: str | None) -> ResNet50FineTuned:
    """Build the package's network, and load weights into it, whoever wrote them.

    Args:
        num_classes: C; the head keeps random values where the weights are of other classes.
        weights: as of `ResNet50FineTuned`, or a file of `load_model` that holds a ResNet50.

    Raises:
        CheckpointError: the weights cannot be read, or are of another network.
    """
    if weights is None or not Path(weights).exists() or is_ours(Path(weights)):
        return ResNet50FineTuned(num_classes, freeze_features=False, weights=weights)
    found = load_model(weights)
    if not isinstance(found, ResNet50FineTuned):
        name = found.provenance.architecture if found.provenance else "another network"
        raise CheckpointError(f"{weights} holds a {name}: name the network by --network")
    model = ResNet50FineTuned(num_classes, freeze_features=False, weights=None)
    state = found.state_dict()
    if len(found.class_names) != num_classes:
        state |= model.resnet50.fc.state_dict(prefix="resnet50.fc.")
    model.load_state_dict(state)
    model.preprocessing = found.preprocessing
    return model


def head_of(network: nn.Module) -> nn.Linear:
    """Return the last linear layer of a network, which makes its logits.

    Raises:
        ValueError: there is none.
    """
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ValueError(f"{type(network).__name__} has no linear head")
    return linear[-1]


def preprocessing_of(network: nn.Module, size: int) -> Preprocessing:
    """Return how published weights want their input: timm says so, torchvision's are ImageNet's."""
    config = getattr(network, "pretrained_cfg", None)
    if not config:
        return Preprocessing(size)
    return replace(Preprocessing(size), mean=tuple(config["mean"]), std=tuple(config["std"]))


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a file of weights into a network of the same architecture.

    Where the names differ, as between two libraries' code of one architecture, tensors are taken in
    the order of the file, if all shapes agree; safetensors keep no order. Nothing in the file is
    executed.

    Args:
        network: its head keeps its values where the file's is of other classes.
        path: as `weights` of `build_network`.

    Raises:
        CheckpointError: the file cannot be read, or a tensor is missing or of another shape.
    """
    own, state = network.state_dict(), _read(path)
    head = [name for name, tensor in own.items() if tensor.shape[:1] == _classes(network)][-2:]
    if not {*own} - {*head} <= {*state}:
        state = _renamed(state, own, path)
    fitting = {
        name: tensor
        for name, tensor in state.items()
        if name in own and (name not in head or tensor.shape == own[name].shape)
    }
    wrong = [name for name, tensor in fitting.items() if tensor.shape != own[name].shape]
    if wrong:
        raise CheckpointError(
            f"{path}: {wrong[0]} is {tuple(fitting[wrong[0]].shape)}, the network wants "
            f"{tuple(own[wrong[0]].shape)}: is it of another architecture?"
        )
    network.load_state_dict(fitting, strict=False)


def load_teacher(path: Path) -> tuple[nn.Module, Checkpoint]:
    """Load weights that `train` wrote, of whatever network, in eval mode and without gradients.

    Raises:
        CheckpointError: the file cannot be read or does not fit its network.
        ValueError: its network is not known here.
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
    """Let each residual branch start at zero (Goyal et al. 2017, section 5.1): Adam stays calm."""
    for block in network.modules():
        if isinstance(block, Bottleneck):
            nn.init.zeros_(block.bn3.weight)


def statistics(images: Tensor, size: int) -> Preprocessing:
    """Return the input's mean and std over all pixels, the same for the three channels.

    Args:
        images: uint8 (N, 1, H, W).
        size: side of the input in pixels.
    """
    counts = torch.bincount(images.flatten().int(), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = float((counts * values).sum() / counts.sum())
    std = float(((counts * (values - mean) ** 2).sum() / counts.sum()).sqrt())
    return Preprocessing(size, (round(mean, 4),) * 3, (round(std, 4),) * 3)


def _build(name: str, num_classes: int) -> nn.Module:
    known = torchvision.models.list_models(module=torchvision.models)
    plain = name.removeprefix(TORCHVISION).removeprefix(TIMM)
    if not name.startswith(TIMM) and plain in known:
        built: nn.Module = torchvision.models.get_model(
            plain, weights=None, num_classes=num_classes
        )
        return built
    try:
        import timm  # most trainings need no network of timm's
    except ImportError:
        raise ValueError(
            f"torchvision has no network {plain!r}; for timm's: pip install timm"
        ) from None
    if name.startswith(TORCHVISION) or plain not in timm.list_models():
        raise ValueError(f"there is no network {name!r}: timm.list_models() lists their names")
    network: nn.Module = timm.create_model(plain, pretrained=False, num_classes=num_classes)
    return network


def _classes(network: nn.Module) -> torch.Size:
    return torch.Size([head_of(network).out_features])


def _read(path: Path) -> dict[str, Tensor]:
    """Read a state dict, also one inside a training state, and take off `module.` of its names."""
    try:
        if path.suffix == ".safetensors":
            stored: object = load_file(path)
        else:
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"no weights at {path}: check the path") from None
    except Exception as error:  # unpickling raises whatever a damaged file makes it raise
        raise CheckpointError(f"{path} is no readable file of weights ({error})") from error
    if isinstance(stored, Mapping):
        stored = next((stored[key] for key in _NESTED if key in stored), stored)
    if not isinstance(stored, Mapping) or not all(isinstance(v, Tensor) for v in stored.values()):
        raise CheckpointError(f"{path} holds no state dict: save network.state_dict()")
    return {str(name).removeprefix("module."): tensor for name, tensor in stored.items()}


def _renamed(
    state: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """Name tensors as a network does, in their order; the head, which comes last, may differ."""
    names, tensors = (
        [item for item in each.items() if not item[0].endswith("num_batches_tracked")]
        for each in (own, state)
    )
    pairs = list(zip(names, tensors, strict=False))
    if len(names) != len(tensors) or any(a.shape != b.shape for (_, a), (_, b) in pairs[:-2]):
        raise CheckpointError(
            f"{path} does not fit the network: its {len(tensors)} tensors are not the network's "
            f"{len(names)} in name, or in number, order and shape"
        )
    return {name: tensor for (name, _), (_, tensor) in pairs}
