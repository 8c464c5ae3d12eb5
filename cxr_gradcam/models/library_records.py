"""Read the records that torchvision, torchxrayvision, timm and transformers keep with networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from cxr_gradcam.models.preprocessing import Preprocessing

PROCESSOR_FILE = "preprocessor_config.json"
"""transformers' file beside the weights that describes the input."""

_IMAGE_CHANNELS = 4  # at most
_UNNAMED = "LABEL_"  # transformers' prefix for unnamed classes


def guess_preprocessing(model: nn.Module) -> Preprocessing:
    """Return how a model's input is made, according to its library's record.

    Args:
        model: the classifier.

    Returns:
        The record of this package, torchxrayvision, timm or transformers; without one, ImageNet's
        statistics at 224 pixels, with as many channels as the first convolution takes.
    """
    known = getattr(model, "preprocessing", None)
    if isinstance(known, Preprocessing):
        return known
    if is_xrv(model):  # values from -1024 to 1024
        return Preprocessing(int(getattr(model, "input_resolution", 224)), (0.5,), (1 / 2048,))
    processor = image_processor(model)
    if processor:
        return _of_processor(processor, built_for(model))
    config = _timm_config(model)
    default = Preprocessing()
    size = config.get("input_size", (3, built_for(model) or default.size))[-1]
    mean, std = config.get("mean", default.mean), config.get("std", default.std)
    channels = next(
        (layer.in_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)), 3
    )
    if channels > _IMAGE_CHANNELS and "input_size" in config:
        channels = config["input_size"][0]  # the network rearranges the pixels first
    if channels != len(mean):
        mean, std = ((sum(values) / len(values),) * channels for values in (mean, std))
    return Preprocessing(size, tuple(mean), tuple(std))


def built_for(model: nn.Module) -> int | None:
    """Return the side in pixels of the input that a model is built for, if it is recorded.

    Args:
        model: the classifier; torchvision's and transformers' vision transformers record it.
    """
    for holder in (model, getattr(model, "config", None)):
        size = getattr(holder, "image_size", None)
        if isinstance(size, list | tuple) and size:
            size = size[0]
        if isinstance(size, int):
            return size
    return None


def guess_class_names(model: nn.Module, num_classes: int) -> tuple[str, ...]:
    """Return the names of a model's classes from its library's record, else numbers.

    Args:
        model: the classifier: its `class_names`, torchxrayvision's `targets` or the `id2label` of
            transformers.
        num_classes: number of classes C.

    Returns:
        C names.
    """
    for names in (
        getattr(model, "class_names", None),
        getattr(model, "targets", None),
        _labels(getattr(model, "config", None)),
    ):
        if names is not None and len(names) == num_classes:
            return tuple(name or f"class {index}" for index, name in enumerate(names))
    return tuple(f"class {index}" for index in range(num_classes))


def is_multi_label(model: nn.Module) -> bool:
    """Return whether a model's library records that several classes can be true at once.

    Args:
        model: the classifier; always True for torchxrayvision's, recorded for transformers'.
    """
    problem = getattr(getattr(model, "config", None), "problem_type", None)
    return is_xrv(model) or problem == "multi_label_classification"


def is_xrv(model: nn.Module) -> bool:
    """Return whether a model is torchxrayvision's."""
    return type(model).__module__.startswith("torchxrayvision.")


def is_scaled_xrv(model: nn.Module) -> bool:
    """Return whether a torchxrayvision model gives probabilities, or scales them further."""
    scaled = getattr(model, "op_threshs", None) is not None
    return is_xrv(model) and (scaled or getattr(model, "apply_sigmoid", False))


def is_of_transformers(model: nn.Module) -> bool:
    """Return whether a model is transformers'."""
    return type(model).__module__.startswith("transformers.")


def last_linear(model: nn.Module) -> nn.Linear:
    """Return the last linear layer of a network, which gives the logits of most networks.

    Args:
        model: the classifier.

    Raises:
        ValueError: the network has no linear layer.
    """
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise ValueError(
            f"{type(model).__name__} has no linear head: choose a network that ends in one"
        )
    return linear[-1]


def image_processor(model: nn.Module) -> Mapping[str, Any]:
    """Return transformers' preprocessor configuration stored with the weights; {} without one.

    Args:
        model: the classifier, loaded from a folder.
    """
    folder = getattr(getattr(model, "config", None), "_name_or_path", "")
    if not is_of_transformers(model) or not folder or not Path(folder).is_dir():
        return {}
    try:
        found = json.loads((Path(folder) / PROCESSOR_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_processor(processor: Mapping[str, Any], built_for: int | None) -> Preprocessing:
    """Return the preprocessing of transformers' image processor for values in [0, 1].

    It multiplies values from 0 to 255 by a factor, may subtract 1, and then normalises.
    """
    default = Preprocessing()
    crop = processor.get("crop_size") if processor.get("do_center_crop", True) else None
    size = _side(crop) or _side(processor.get("size")) or built_for or default.size
    mean, std = (0.0,) * 3, (1.0,) * 3
    if processor.get("do_normalize", True):
        mean = tuple(processor.get("image_mean") or default.mean)
        std = tuple(processor.get("image_std") or default.std)
    is_scaled = processor.get("do_rescale", True)
    factor = 255 * (float(processor.get("rescale_factor", 1 / 255)) if is_scaled else 1.0)
    offset = 1.0 if processor.get("rescale_offset") and is_scaled else 0.0
    return Preprocessing(
        built_for or size,
        tuple((value + offset) / factor for value in mean),
        tuple(value / factor for value in std),
    )


def _side(size: object) -> int | None:
    """Return the side of a size in transformers' format: a number, or a mapping with a number."""
    if isinstance(size, Mapping):
        size = next((size[key] for key in ("height", "shortest_edge") if size.get(key)), None)
    return int(size) if isinstance(size, int | float) else None


def _timm_config(model: nn.Module) -> Mapping[str, Any]:
    """Return timm's record of how the input is made, also inside transformers' wrapper."""
    own = getattr(model, "pretrained_cfg", None)
    wrapped = getattr(getattr(model, "config", None), "pretrained_cfg", None)
    return own or wrapped or {}


def _labels(config: object) -> tuple[str, ...] | None:
    """Return transformers' names of the classes, if they were named."""
    labels = getattr(config, "id2label", None)
    if not isinstance(labels, Mapping):
        return None
    names = tuple(str(labels[key]) for key in sorted(labels, key=int))
    return None if all(name.startswith(_UNNAMED) for name in names) else names
