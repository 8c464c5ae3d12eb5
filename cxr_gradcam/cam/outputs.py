"""The logits in whatever a classifier returns."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def logits_of(output: object) -> Tensor:
    """Return the logits (N, C) of a model's output.

    Args:
        output: a tensor (N, C), or (N,) of one logit; or an object with `.logits`, a mapping with
            "logits", or a tuple or list that begins with one of these.

    Raises:
        ValueError: it is none of these.

    Example:
        >>> tuple(logits_of({"logits": torch.zeros(4)}).shape)
        (4, 1)
    """
    found = _unwrapped(output)
    if isinstance(found, Tensor) and found.ndim == 1:
        return found[:, None]
    if isinstance(found, Tensor) and found.ndim == 2:
        return found
    what = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    raise ValueError(f"a classifier gives one row of scores per image, (N, C), not {what}")


def require_hooks(model: nn.Module) -> None:
    """Refuse a model whose layers cannot be watched.

    Raises:
        ValueError: it is TorchScript.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(  # noqa: TRY004 - as every other model that cannot be explained
            "a TorchScript module has no hooks, so no map can be made of it: build the network in "
            "Python and load its state_dict"
        )


def as_two_classes(logits: Tensor) -> Tensor:
    """Return two logits (N, 2) whose softmax is the sigmoid of one (N, 1), and its complement.

    The halves share the evidence evenly, so that what speaks for the one speaks against the other.
    """
    return torch.cat([-logits / 2, logits / 2], dim=1)


def _unwrapped(output: object) -> object:
    if isinstance(output, tuple | list) and output:
        return _unwrapped(output[0])
    if isinstance(output, Mapping) and "logits" in output:
        return output["logits"]
    return getattr(output, "logits", output)
