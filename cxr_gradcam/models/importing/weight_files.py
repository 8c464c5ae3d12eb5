"""Files of weights, whoever wrote them: read without running any code in them."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cxr_gradcam.models.checkpoint import CheckpointError

_WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
    "ema",
)
_HARMLESS = re.compile(
    # counters of BatchNorm, of thop and of averaged weights; torchxrayvision's operating points
    r"(^|\.)(num_batches_tracked|total_ops|total_params|n_averaged|op_threshs)$"
    r"|^(criterion|loss|loss_fn)\.(weight|pos_weight)$"
)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint file by name, in float32.

    Args:
        path: a safetensors file, or a file of torch.save.

    Raises:
        CheckpointError: there is no such file, it holds no weights, or it cannot be read without
            running code in it.
    """
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}: check the path")
    content = _content(path)
    tensors = _unwrapped(content)
    if not tensors:
        found = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content)
        raise CheckpointError(
            f"{path} holds no weights by name (found: {found}): save model.state_dict()"
        )
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if not _HARMLESS.search(name)
    }


def _content(path: Path) -> Any:  # noqa: ANN401
    """Return what a file holds. Its first bytes tell the format: names are often wrong."""
    with path.open("rb") as file:
        start = file.read(9)
    if path.suffix == ".safetensors" or start[8:] == b"{":  # behind the header's length
        return _safetensors(path)
    if not start.startswith((b"PK", b"\x80")):  # a ZIP archive or, before torch 1.6, a pickle
        raise CheckpointError(
            f"{path} is no readable file of weights: it begins with {start!r}, and neither "
            "torch.save nor safetensors writes that"
        )
    return _pickled(path)


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is no readable safetensors file ({error})") from error


def _pickled(path: Path) -> Any:  # noqa: ANN401
    if _is_torchscript(path):
        raise CheckpointError(
            f"{path} is a TorchScript file, which has no hooks to make maps with: save the "
            "state_dict() of the model that it was made from"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds Python objects besides weights, which could run anything and were not "
            'read: where the model was trained, torch.save(model.state_dict(), "weights.pth")'
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} is no readable file of torch.save: fetch it again"
        ) from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _unwrapped(content: Any) -> dict[str, Tensor]:  # noqa: ANN401
    if not isinstance(content, Mapping):
        return {}
    for key in _WRAPPERS:
        if tensors := _unwrapped(content.get(key)):
            return tensors
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
