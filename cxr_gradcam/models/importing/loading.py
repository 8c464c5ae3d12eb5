"""Anybody's weights: from a file or a library's name to a model that can be explained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.checkpoint import hub_config, is_ours, load_checkpoint, locate
from cxr_gradcam.models.importing.architectures import build
from cxr_gradcam.models.importing.assembling import Found, assemble
from cxr_gradcam.models.importing.libraries import is_library_name, pretrained
from cxr_gradcam.models.importing.state_dicts import read_state_dict
from cxr_gradcam.models.importing.told import Told
from cxr_gradcam.models.initial_weights import BUNDLED
from cxr_gradcam.models.provenance import Provenance, name_of
from cxr_gradcam.models.resnet50 import ResNet50FineTuned


def load_model(
    source: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    architecture: str | None = None,
    input_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    multi_label: bool | None = None,
    fast: bool = True,
) -> ResNet50FineTuned | CAM:
    """Return a model that can be explained, from anybody's weights.

    Args:
        source: a file of `save_checkpoint`, of torch.save (a state_dict, or a training checkpoint
            that has one) or of safetensors; "hf://owner/name[/FILE]"; "torchvision:NAME",
            "timm:NAME" or "torchxrayvision:NAME" for a library's pretrained weights; "bundled" for
            the package's.
        class_names: the classes in the order of the logits; of one logit also two, the absence's
            first.
        architecture: a name of torchvision, or "timm:NAME"; None to tell it from the weights.
        input_size: side of the square input in pixels.
        mean: mean of each channel, for values in [0, 1]; one number for all of them.
        std: standard deviation of each channel; one number for all of them.
        multi_label: whether several classes can be true at once.
        fast: as of `ResNet50FineTuned`; other networks have one precision.

    Returns:
        A `ResNet50FineTuned` for a ResNet50 with a linear head, else a `CAM`, in eval mode. Its
        `assumptions` say in words what neither the caller nor the file did, its `provenance` where
        the weights come from.

    Raises:
        CheckpointError: the weights cannot be had or read, or do not fit wholly.
    """
    told = Told(class_names, input_size, mean, std, multi_label)
    if is_library_name(source) and not Path(source).exists():
        return assemble(pretrained(str(source)), told, fast=fast)
    path = bundled_checkpoint() if source == BUNDLED else locate(source)
    header = load_checkpoint(path) if is_ours(path) else None
    if header is None:
        named = architecture or _of_repository(source)
        network, assumed, name = build(read_state_dict(path), named)
    else:
        network, assumed, _ = build(header.state_dict, header.architecture)
        name = header.architecture
    provenance = Provenance.of_file(path, name, name_of(path if source == BUNDLED else source))
    return assemble(Found(network, provenance, assumed, header), told, fast=fast)


def _of_repository(source: str | os.PathLike[str]) -> str | None:
    """Return the architecture that a repository of timm's says it has, or None."""
    config = hub_config(source) if str(source).startswith("hf://") else {}
    if not isinstance(config.get("architecture"), str):
        return None
    tag = config.get("pretrained_cfg", {}).get("tag")
    return f"timm:{config['architecture']}{f'.{tag}' if tag else ''}"
