"""The initial weights of a ResNet50: from the package, torchvision, or a checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.models import ResNet50_Weights

from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    locate,
)
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import RESNET50, Provenance, name_of

BUNDLED = "bundled"


def initial_weights(source: str | os.PathLike[str]) -> Checkpoint:
    """Return the checkpoint that a new network starts from.

    Args:
        source: "bundled"; "IMAGENET1K_V1", "IMAGENET1K_V2" or "DEFAULT" for torchvision's; a path
            or "hf://owner/name" of a file that `save_checkpoint` wrote.

    Raises:
        CheckpointError: the weights cannot be found, read or downloaded.
    """
    if source in ResNet50_Weights.__members__:
        state_dict = _download_imagenet(str(source))
        return Checkpoint(state_dict, (), Preprocessing())
    return load_checkpoint(bundled_checkpoint() if source == BUNDLED else source)


def load_own(
    source: str | os.PathLike[str] | None,
) -> tuple[Checkpoint, Provenance]:
    """Return a checkpoint of the package's own network, and its provenance.

    Args:
        source: a .safetensors path or "hf://owner/name"; None for the bundled weights.

    Raises:
        CheckpointError: the file cannot be read or holds another network.
    """
    path = bundled_checkpoint() if source is None else locate(source)
    checkpoint = load_checkpoint(path)
    if checkpoint.architecture != RESNET50:
        raise CheckpointError(
            f"{path} holds a {checkpoint.architecture}, no ResNet50: load it with load_model"
        )
    return checkpoint, Provenance.of_file(path, RESNET50, name_of(source or path))


def load_strictly(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Load weights into a model, all of them or none.

    Raises:
        CheckpointError: a tensor is missing, unknown or of another shape.
    """
    try:
        model.load_state_dict(state_dict)
    except RuntimeError as error:
        raise CheckpointError(
            f"the weights are not those of a ResNet50 ({error}): load those of another network by "
            "load_model"
        ) from error


def _download_imagenet(name: str) -> dict[str, Tensor]:
    weights = ResNet50_Weights[name]
    try:
        state_dict = weights.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:  # no connection, or an interrupted download
        raise CheckpointError(
            f"torchvision's {name} weights could not be downloaded ({error}): connect to the "
            f"network once, or put the file of {weights.url} into {torch.hub.get_dir()}"
            f"/checkpoints, or use weights='{BUNDLED}'"
        ) from error
    return {f"resnet50.{key}": value for key, value in state_dict.items()}
