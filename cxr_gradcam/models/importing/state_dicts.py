"""Other people's checkpoint files: read without running anything in them, and unwrapped."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
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
_PREFIX = re.compile(
    r"^(module|model|net|network|backbone|encoder|base_model|ema_model|_orig_mod|(?:wide_)?res[a-z]*\d+[a-z0-9_]*|"
    r"densenet\d+|efficientnet_\w+|mobilenet_\w+|vgg\d+\w*|convnext_\w+|vit_\w+|swin_\w+)\."
)
_FEATURES = re.compile(r"^(features|feature_extractor|trunk|base|cnn)\.(?=\d)")
_CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_NUMBERED_LAYER = "4.0.conv1.weight"

_HARMLESS = re.compile(
    # counters of BatchNorm, of thop and of averaged weights; torchxrayvision's operating points
    r"(^|\.)(num_batches_tracked|total_ops|total_params|n_averaged|op_threshs)$"
    r"|^(criterion|loss|loss_fn)\.(weight|pos_weight)$"
)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint file by name, in float32.

    Args:
        path: a safetensors file, or one of torch.save.

    Raises:
        CheckpointError: no such file, or none that can be read without running code in it.
    """
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}: check the path")
    content = _content(path)
    tensors = _unwrapped(content)
    if not tensors:
        kinds = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content)
        raise CheckpointError(
            f"{path} holds no weights by name (found: {kinds}): save model.state_dict()"
        )
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if not _HARMLESS.search(name)
    }


def without_prefixes(state_dict: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the tensors as named, then with one known prefix after another taken off.

    A step that would give two tensors one name (a student and its teacher) is the end. A ResNet
    whose layers are numbered, as in a Sequential of its children, comes last with their names.
    """
    names = {name: _modern(name) for name in state_dict}
    while True:
        yield {new: state_dict[old] for old, new in names.items()}
        shorter = {old: _PREFIX.sub("", new) for old, new in names.items()}
        if shorter == names or len(set(shorter.values())) < len(shorter):
            break
        names = shorter
    if _NUMBERED_LAYER in {_FEATURES.sub("", name) for name in names.values()}:
        yield {_numbered(new): state_dict[old] for old, new in names.items()}


def _numbered(name: str) -> str:
    """Return torchvision's name of a tensor in a Sequential of a ResNet's children."""
    number, _, rest = _FEATURES.sub("", name).partition(".")
    return f"{_CHILDREN[number]}.{rest}" if number in _CHILDREN else name


def is_counter(name: str) -> bool:
    """Return whether a tensor only counts the batches of a training."""
    return name.endswith("num_batches_tracked")


def _modern(name: str) -> str:
    """Return a DenseNet's name as torchvision has written it since version 0.2.1."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name)


def _content(path: Path) -> Any:  # noqa: ANN401
    """Return what a file holds, by what it begins with: names are often wrong."""
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
