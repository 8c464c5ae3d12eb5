"""Anybody's weights: from a file or a library's name to a model that can be explained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn
from torchvision.models import ResNet, get_model

from cxr_gradcam.models.any_classifier import CAM, guess_preprocessing
from cxr_gradcam.models.checkpoint import CheckpointError, locate
from cxr_gradcam.models.importing.architectures import build
from cxr_gradcam.models.importing.state_dicts import read_state_dict
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

_LIBRARIES = ("torchvision", "timm", "torchxrayvision")


class ImportedCAM(CAM):
    """Any network from somebody's weights; nothing about it is calibrated."""


class ImportedResNet50(ResNet50FineTuned):
    """A ResNet50 from somebody's weights."""


def load_model(
    source: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    architecture: str | None = None,
    input_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    multi_label: bool | None = None,
) -> ResNet50FineTuned | CAM:
    """Return a model that can be explained, from anybody's weights.

    Args:
        source: a file of `save_checkpoint`, of torch.save (a state_dict, or a training checkpoint
            that has one) or of safetensors; "hf://owner/name"; or "torchvision:NAME",
            "timm:NAME" or "torchxrayvision:NAME" for a library's pretrained weights.
        class_names: the classes in the order of the logits.
        architecture: a name of torchvision, or "timm:NAME"; None to tell it from the weights.
        input_size: side of the square input in pixels.
        mean: mean of each channel, for values in [0, 1].
        std: standard deviation of each channel.
        multi_label: whether several classes can be true at once.

    Returns:
        A `ResNet50FineTuned` for a ResNet50 with a linear head, else a `CAM`, in eval mode. Its
        `assumptions` say in words what neither the caller nor the file did.

    Raises:
        CheckpointError: the weights cannot be had or read, or do not fit wholly.
    """
    if str(source).startswith("hf://"):
        source = locate(source)
    if _is_ours(source):
        own = ImportedResNet50.from_checkpoint(source)
        _check_names(class_names, len(own.class_names))
        own.class_names = tuple(class_names or own.class_names)
        own.preprocessing = _preprocessing(own.preprocessing, input_size, mean, std)
        own.multi_label = own.multi_label if multi_label is None else multi_label
        return own
    library, _, name = str(source).partition(":")
    if library in _LIBRARIES and not Path(source).exists():
        network, assumed, found = _pretrained(library, name), "", name
    else:
        network, assumed, found = build(read_state_dict(Path(source)), architecture)
    assumptions = [assumed] if assumed else []
    known = library in ("timm", "torchxrayvision") and not Path(source).exists()
    whose = "timm's" if hasattr(network, "pretrained_cfg") else "ImageNet"
    if not known and (mean is None or std is None):
        assumptions.append(f"{whose} statistics assumed")
    if not known and input_size is None:
        size = guess_preprocessing(network).size
        assumptions.append(f"input of {size} pixels assumed")
    preprocessing = _preprocessing(guess_preprocessing(network), input_size, mean, std)
    model = _explainable(network, found, class_names, preprocessing, multi_label)
    if class_names is None and model.class_names[0] == "class 0":
        assumptions.append("classes are numbered: their names are not known")
    if multi_label is None and len(model.class_names) > 1 and not model.multi_label:
        assumptions.append("one class at a time assumed")
    model.assumptions = tuple(assumptions)
    return model


def _explainable(
    network: nn.Module,
    name: str,
    class_names: Sequence[str] | None,
    preprocessing: Preprocessing,
    multi_label: bool | None,
) -> ImportedResNet50 | ImportedCAM:
    head = network.fc if name == "resnet50" and isinstance(network, ResNet) else None
    if not isinstance(head, nn.Linear) or head.bias is None:
        try:
            return ImportedCAM(
                network,
                class_names=class_names,
                preprocessing=preprocessing,
                multi_label=multi_label,
            )
        except ValueError as error:
            raise CheckpointError(f"{name}: {error}") from error
    _check_names(class_names, head.out_features)
    model = ImportedResNet50(head.out_features, enable_gradcam=True, weights=None)
    model.resnet50.load_state_dict(network.state_dict())
    model.class_names = tuple(class_names or model.class_names)
    model.preprocessing = preprocessing
    model.multi_label = model.multi_label if multi_label is None else multi_label
    model.fast = True
    return model.eval()


def _check_names(class_names: Sequence[str] | None, num_classes: int) -> None:
    if class_names is not None and len(class_names) != num_classes:
        raise CheckpointError(
            f"{len(class_names)} class names for {num_classes} classes: name each class once"
        )
    if class_names is not None and len(set(class_names)) < num_classes:
        raise CheckpointError(f"two classes have one name: {', '.join(class_names)}")


def _preprocessing(
    guess: Preprocessing,
    size: int | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> Preprocessing:
    return Preprocessing(
        guess.size if size is None else size,
        guess.mean if mean is None else tuple(mean),
        guess.std if std is None else tuple(std),
    )


def _is_ours(source: str | os.PathLike[str]) -> bool:
    try:
        with safe_open(source, framework="pt") as file:
            return "cxr_gradcam" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _pretrained(library: str, name: str) -> nn.Module:
    try:
        if library == "torchvision":
            network: nn.Module = get_model(name, weights="DEFAULT")
        elif library == "timm":
            import timm

            network = timm.create_model(name, pretrained=True)
        else:
            import torchxrayvision

            network = torchxrayvision.models.get_model(name)
    except ImportError as error:
        raise CheckpointError(f"{library} is not installed: pip install {library}") from error
    except Exception as error:  # each library fails in ways of its own
        raise CheckpointError(
            f"{library}:{name} cannot be had ({error}): check the name, and connect to the network "
            "once so that its weights are fetched, or give the path of a file"
        ) from error
    return network.eval()
