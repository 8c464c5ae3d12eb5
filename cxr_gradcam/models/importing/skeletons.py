"""Networks of torchvision and timm by name, and the shapes of their tensors without the tensors."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.importing.state_dicts import is_counter

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Skeleton:
    """The shapes of a network's tensors.

    Args:
        name: of torchvision, or "timm:NAME".
        shapes: by the tensors' names, counters left out.
        head: the name of the last linear layer.
        stem: the name of the first convolution's weight.
        size: side of the input that the network is built for; None where it takes any.
    """

    name: str
    shapes: Shapes
    head: str
    stem: str
    size: int | None = None

    def network(self) -> nn.Module:
        """Return the network with random weights."""
        return new_network(self.name, self.size)

    def with_channels_of(self, tensors: Mapping[str, Tensor]) -> Shapes:
        """Return the shapes of the same network for as many channels as weights have."""
        wanted, found = self.shapes[self.stem], tensors.get(self.stem)
        if found is None or found.ndim != 4 or found.shape[1] == wanted[1]:
            return self.shapes
        return {**self.shapes, self.stem: (wanted[0], found.shape[1], *wanted[2:])}


@lru_cache(maxsize=128)
def skeleton(name: str, size: int | None = None) -> Skeleton:
    """Return the shapes of a network's tensors.

    Args:
        name: of torchvision, or "timm:NAME".
        size: of the input, where a vision transformer is built for another than its usual one.

    Raises:
        CheckpointError: no such network, or none with a linear head.
    """
    # A RegNet computes its widths with tensors, so it cannot be built without data.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        network = new_network(name, size)
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    linear = [key for key, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    stem = [key for key, shape in shapes.items() if len(shape) == 4]
    if not linear or not stem:
        raise CheckpointError(f"{name} has no linear head, and such weights cannot be imported")
    counted = {key: shape for key, shape in shapes.items() if not is_counter(key)}
    return Skeleton(name, counted, linear[-1], stem[0], size)


def image_size(tensors: Mapping[str, Tensor]) -> int | None:
    """Return the side of the input that torchvision's vision transformer was built for, or None."""
    places, patch = tensors.get("encoder.pos_embedding"), tensors.get("conv_proj.weight")
    if places is None or patch is None or places.ndim != 3 or patch.ndim != 4:
        return None
    return math.isqrt(max(places.shape[1] - 1, 0)) * patch.shape[-1]


def new_network(name: str, size: int | None = None) -> nn.Module:
    """Return a network with random weights.

    Args:
        name: a name of torchvision, or "timm:NAME".
        size: as of `skeleton`.

    Raises:
        CheckpointError: no such network.
    """
    library, _, own_name = name.rpartition(":")
    try:
        if library == "timm" or (not library and own_name not in torchvision.models.list_models()):
            import timm

            network: nn.Module = timm.create_model(own_name, pretrained=False)
            return network
        builder = torchvision.models.get_model_builder(own_name)
        options: dict[str, Any] = {}
        if "init_weights" in inspect.signature(builder).parameters:
            options["init_weights"] = False  # they are replaced at once
        if size is not None and own_name.startswith("vit_"):
            options["image_size"] = size
        network = builder(weights=None, **options)
    except (ImportError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"no architecture {name!r} ({error}): name one of torchvision, or timm:NAME"
        ) from error
    return network
