"""Read files of weights of any origin, without running code in them."""

from __future__ import annotations

import argparse
import datetime
import pathlib
import pickle
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.importing.file_formats import advice

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
"""Keys under which training code keeps a state_dict, the likeliest first."""

_AVERAGED = re.compile(r"(^|[._])(ema|swa|avg|averaged?|shadow)([._]|$)", re.IGNORECASE)
_HARMLESS = re.compile(
    # counters of BatchNorm, of thop and of averaged weights; torchxrayvision's operating points
    r"(^|\.)(num_batches_tracked|total_ops|total_params|n_averaged|op_threshs)$"
    r"|^(criterion|loss|loss_fn)\.(weight|pos_weight)$"
)
_NUMPY: Any = vars(np)["_core"].multiarray  # the module that builds pickled values of NumPy
_DATA_TYPES: list[Any] = [
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in "?bBhHiIlLqQefdSUM"},
    *(_NUMPY.scalar, (_NUMPY.scalar, "numpy.core.multiarray.scalar")),
    *(_NUMPY._reconstruct, (_NUMPY._reconstruct, "numpy.core.multiarray._reconstruct")),
    argparse.Namespace,
    *(datetime.datetime, datetime.date, datetime.timedelta),
    *(pathlib.PosixPath, pathlib.PurePosixPath),
]
"""Types of plain data, safe to read: figures and settings of a training."""

_reading = Lock()  # torch's list of allowed types is global to the process


@dataclass(frozen=True)
class WeightFile:
    """The weights that were read from a file.

    Args:
        tensors: tensors by name, in float32.
        key: the key of the tensors in the file, with dots between nested keys; "" for the whole
            file.
        others: keys of other weights of the same shapes, such as averaged ones.
    """

    tensors: Mapping[str, Tensor]
    key: str = ""
    others: tuple[str, ...] = ()

    @property
    def assumption(self) -> str:
        """Say which of several sets of weights was used; "" if there is only one."""
        if not self.others:
            return ""
        averaged = [key for key in self.others if _AVERAGED.search(key)]
        what = "averaged weights (EMA)" if averaged else "other weights"
        return (
            f"weights under {self.key!r} taken; the file also holds {what} under "
            f"{', '.join(map(repr, self.others))}: state_dict chooses"
        )


def read_weights(path: Path, key: str | None = None) -> WeightFile:
    """Return the weights in a checkpoint file.

    Args:
        path: a safetensors file, or a file of torch.save.
        key: which of several sets of weights, by their key (with dots between nested keys) or the
            prefix of their names; None for the likeliest.

    Raises:
        CheckpointError: there is no such file or key, the file holds no weights, or it cannot be
            read without running code in it.
    """
    found = dict(_state_dicts(_content(path)))
    if not found:
        raise CheckpointError(_no_weights(path))
    if key is None:
        most = max(map(len, found.values()))
        likely = [each for each, tensors in found.items() if 2 * len(tensors) >= most]
        chosen = min(likely, key=_preference)
        tensors, others = found[chosen], _alike(found, chosen)
        if not others:
            return _without_averaged(_cleaned(tensors), chosen)
        return WeightFile(_cleaned(tensors), chosen, others)
    tensors = found.get(key) or {
        name[len(key) + 1 :]: tensor
        for each in found.values()
        for name, tensor in each.items()
        if name.startswith(f"{key}.")
    }
    if not tensors:
        keys = ", ".join(map(repr, found))
        raise CheckpointError(f"{path} holds no weights under {key!r}; there are: {keys}")
    return WeightFile(_cleaned(tensors), key)


def _no_weights(path: Path) -> str:
    content = _content(path)
    found = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content)
    return f"{path} holds no weights by name (found: {found}): save model.state_dict()"


def _cleaned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors in float32, without counters and parts of a loss function."""
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if not _HARMLESS.search(name)
    }


def _state_dicts(content: object, key: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield mappings that may be a state_dict, at any depth, with their keys."""
    if not isinstance(content, Mapping):
        return
    tensors = {
        name: value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }
    if tensors:
        yield key, tensors
    for name, value in content.items():
        if isinstance(name, str):
            yield from _state_dicts(value, f"{key}.{name}" if key else name)


def _preference(key: str) -> tuple[int, ...]:
    """Return a sort key for keys of weights: the smaller, the likelier."""
    unknown = len(_WRAPPERS)
    return tuple(
        _WRAPPERS.index(part) if part in _WRAPPERS else unknown for part in key.split(".") if part
    ) or (unknown,)


def _alike(found: Mapping[str, Mapping[str, Tensor]], chosen: str) -> tuple[str, ...]:
    """Return the keys of weights that have nearly all the shapes of the chosen ones."""
    wanted = _shapes(found[chosen])
    return tuple(
        key
        for key, tensors in found.items()
        if key != chosen
        and "optim" not in key  # averages of gradients have the weights' shapes, too
        and (_shapes(tensors) & wanted).total() >= 0.9 * wanted.total()
    )


def _shapes(tensors: Mapping[str, Tensor]) -> Counter[tuple[int, ...]]:
    return Counter(tuple(tensor.shape) for tensor in tensors.values() if tensor.ndim)


def _without_averaged(tensors: dict[str, Tensor], key: str) -> WeightFile:
    """Return the raw weights if names begin with "model." and "ema_model.", or similar."""
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        groups.setdefault(first, {})[rest] = tensor
    averaged = [name for name in groups if _AVERAGED.search(name)]
    raw = [name for name in groups if name not in averaged]
    if len(raw) != 1 or not averaged:
        return WeightFile(tensors, key)
    others = tuple(name for name in _alike(groups, raw[0]) if name in averaged)
    return WeightFile(groups[raw[0]] if others else tensors, raw[0] if others else key, others)


def _content(path: Path) -> Any:  # noqa: ANN401
    """Return a file's content; its first bytes show the format, since names are often wrong."""
    if path.is_dir():
        raise CheckpointError(
            f"{path} is a folder: name the file of weights in it, or hf:{path} for a folder of "
            "transformers' save_pretrained"
        )
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}: check the path")
    what = advice(path)
    if what:
        raise CheckpointError(f"{path} {what}")
    with path.open("rb") as file:
        start = file.read(9)
    if path.suffix == ".safetensors" or start[8:] == b"{":  # after the header's length
        return _safetensors(path)
    if not start.startswith((b"PK", b"\x80")):  # a ZIP archive or, before torch 1.6, a pickle
        raise CheckpointError(
            f"{path} is no readable file of weights: it begins with {start!r}, and neither "
            "torch.save nor safetensors writes that: give a file of torch.save or safetensors"
        )
    return _pickled(path)


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is no readable safetensors file ({error}): it may have been cut short; fetch "
            "it again"
        ) from error


def _pickled(path: Path) -> Any:  # noqa: ANN401
    try:
        with _reading, torch.serialization.safe_globals(_DATA_TYPES):
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
