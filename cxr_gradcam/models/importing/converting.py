"""`convert`: any weights as a file of this package, whose header describes them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxr_gradcam.atomic_files import atomic_files
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    is_ours,
    load_checkpoint,
    locate,
    save_checkpoint,
)
from cxr_gradcam.models.importing.loading import TRANSFORMERS, load_model
from cxr_gradcam.models.importing.matching import build
from cxr_gradcam.models.provenance import RESNET50
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

TOLERANCE = 1e-4
"""The greatest difference of the logits after converting, as a share of the largest logit."""

_XRV = "torchxrayvision:"


@dataclass(frozen=True)
class Conversion:
    """The result of `convert`.

    Attributes:
        model: the model, loaded from the new file.
        difference: the largest difference between a logit of the old and of the new file.
    """

    model: ResNet50FineTuned | CAM
    difference: float


def convert(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    **overrides: Any,  # noqa: ANN401 - as `load_model` types them
) -> Conversion:
    """Write any weights as a file of this package, and compare the logits of both.

    Args:
        source: weights, as `load_model` takes them.
        output: the .safetensors file to write. It is saved completely, and only if the logits
            agree.
        overrides: keyword arguments of `load_model` for settings that the source lacks.

    Returns:
        The new model, and how far its logits differ.

    Raises:
        CheckpointError: the weights cannot be found or read, fit no network, or cannot be built
            again from a header; or the output's name does not end in .safetensors.
        OSError: the file cannot be written.
    """
    path = Path(output)
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path} is no name for the new file: let it end in .safetensors")
    before = load_model(source, **(overrides | {"fast": False}))
    with atomic_files(path) as [partial]:
        save_checkpoint(partial, _described(source, before), exact=True)
        difference = _difference(before, load_model(partial, fast=False))
    return Conversion(load_model(path), difference)


def _described(source: str | os.PathLike[str], model: ResNet50FineTuned | CAM) -> Checkpoint:
    """Return a checkpoint that describes a model loaded from a source."""
    tensors, architecture = _weights(model)
    return Checkpoint(
        tensors,
        model.class_names,
        model.preprocessing,
        _training(source),
        model.calibration,
        model.ood_detector,
        architecture,
        model.multi_label,
        model.assumptions,
        model.finding,
    )


def _weights(model: ResNet50FineTuned | CAM) -> tuple[dict[str, Tensor], str]:
    """Return a model's tensors, and the name under which `build` makes its network again."""
    if isinstance(model, ResNet50FineTuned):
        return model.state_dict(), RESNET50
    name = "" if model.provenance is None else model.provenance.architecture
    if name.startswith(TRANSFORMERS):
        raise CheckpointError(
            "a network of transformers cannot be built again from a file of weights: keep its "
            "folder, and name it as hf:FOLDER"
        )
    tensors = model.model.state_dict()
    if name.startswith(_XRV):  # torchvision's networks with one input channel
        tensors.pop("op_threshs", None)
        return tensors, build(tensors, None)[2]
    return tensors, f"torchvision:{name}" if name == RESNET50 else name


def _training(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what the header says about the training; {} for files of others."""
    if ":" in str(source) and not str(source).startswith("hf://") and not Path(source).exists():
        return {}
    path = locate(source)
    return dict(load_checkpoint(path).training) if is_ours(path) else {}


def _difference(before: ResNet50FineTuned | CAM, after: ResNet50FineTuned | CAM) -> float:
    """Return the largest difference between two models' logits for two images of noise.

    Raises:
        CheckpointError: the difference is larger than rounding explains.
    """
    how = before.preprocessing
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, len(how.mean), how.size, how.size, generator=generator)
    with torch.no_grad():
        old, new = (model.record(x).logits for model in (before, after))
    difference = float((old - new).abs().max())
    if old.shape != new.shape or not difference <= TOLERANCE * max(1.0, float(old.abs().max())):
        raise CheckpointError(
            f"the logits of the new file differ by {difference:.2g}: it was not written. The "
            "network computes something that its weights do not show: build it in Python and use "
            "CAM(network)"
        )
    return difference
