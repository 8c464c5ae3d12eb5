"""Anybody's weights as a file of this package, whose header says all that has to be known."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    is_ours,
    load_checkpoint,
    locate,
    save_checkpoint,
)
from cxr_gradcam.models.importing.architectures import build
from cxr_gradcam.models.importing.loading import load_model
from cxr_gradcam.models.provenance import RESNET50
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

TOLERANCE = 1e-4
"""How much logits may differ after it, as a share of the largest: sums of another order."""

_XRV = "torchxrayvision:"


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Attributes:
        model: as it is loaded from the new file.
        difference: the largest by which its logits differ from those of the old one.
    """

    model: ResNet50FineTuned | CAM
    difference: float


def convert(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    **said: Any,  # noqa: ANN401 - as `load_model` types them
) -> Conversion:
    """Write anybody's weights as a file of this package, and compare the logits of both.

    Args:
        source: as of `load_model`.
        output: the .safetensors file; it appears whole, and only if the logits are the same.
        said: what the source does not say, as of `load_model`.

    Returns:
        What was written.

    Raises:
        CheckpointError: the weights cannot be had, do not fit, or cannot be built again from a
            header; the output is no name of a .safetensors file.
        OSError: it cannot be written.
    """
    path = Path(output)
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path} is no name for the new file: let it end in .safetensors")
    before = load_model(source, **(said | {"fast": False}))
    partial = path.with_name(f".{path.name}.new")
    try:
        save_checkpoint(partial, _described(source, before), exact=True)
        model = load_model(partial, fast=False)
        difference = _difference(before, model)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return Conversion(load_model(path), difference)


def _described(source: str | os.PathLike[str], model: ResNet50FineTuned | CAM) -> Checkpoint:
    """Return the checkpoint of a model that was just loaded from a source."""
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
    tensors = model.model.state_dict()
    if name.startswith(_XRV):  # torchvision's networks for one channel, under its own name
        tensors.pop("op_threshs", None)
        return tensors, build(tensors, None)[2]
    return tensors, f"torchvision:{name}" if name == RESNET50 else name


def _training(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what our own header says of the training; {} where there is none."""
    if ":" in str(source) and not str(source).startswith("hf://") and not Path(source).exists():
        return {}
    path = locate(source)
    return dict(load_checkpoint(path).training) if is_ours(path) else {}


def _difference(before: ResNet50FineTuned | CAM, after: ResNet50FineTuned | CAM) -> float:
    """Return the largest difference of the logits for two images of noise.

    Raises:
        CheckpointError: it is more than rounding.
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
            "network does something that its weights do not show; use CAM(network)"
        )
    return difference
