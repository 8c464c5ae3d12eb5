"""Heads that somebody put on a network: a linear layer, or a few with what lies between."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cxr_gradcam.models.checkpoint import CheckpointError


def rebuilt(tensors: Mapping[str, Tensor]) -> tuple[nn.Module, str]:
    """Return a head with the layers whose weights these are.

    Args:
        tensors: of a Linear, or of a Sequential of Linear, BatchNorm and Dropout.

    Returns:
        The head, its values still random, and what was assumed of it ("" for nothing).

    Raises:
        CheckpointError: it has other layers.
    """
    if "weight" in tensors:
        return _layer(tensors), ""
    groups: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, rest = name.partition(".")
        if not index.isdigit() or "." in rest:
            raise CheckpointError(
                f"the head's layer {name!r} cannot be rebuilt: a Linear, or a Sequential of "
                "Linear, BatchNorm and Dropout is needed"
            )
        groups.setdefault(int(index), {})[rest] = tensor
    layers: list[nn.Module] = []
    waiting = False  # a linear layer whose activation has not come yet
    assumed = ""
    for place in range(max(groups) + 1):
        if place in groups:
            layers.append(_layer(groups[place]))
            waiting = waiting or isinstance(layers[-1], nn.Linear)
        elif waiting:
            layers.append(nn.ReLU())
            waiting, assumed = False, "ReLU assumed between the linear layers of the head"
        else:
            layers.append(nn.Identity())  # Dropout: nothing when nobody trains
    return nn.Sequential(*layers), assumed


def _layer(tensors: Mapping[str, Tensor]) -> nn.Module:
    weight = tensors.get("weight", torch.empty(()))
    if weight.ndim == 2:
        return nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in tensors)
    if weight.ndim == 1 and "running_mean" in tensors:
        return nn.BatchNorm1d(len(weight))
    raise CheckpointError(f"a head's layer of shape {tuple(weight.shape)} cannot be rebuilt")
