"""Networks of torchvision and timm by name, and variants of their tensors' names."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from cxr_gradcam.models.checkpoint import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]

_COMMON = (
    *("resnet50", "densenet121", "resnet18", "resnet34", "resnet101", "efficientnet_b0"),
    *("mobilenet_v2", "mobilenet_v3_large", "convnext_tiny", "vgg16", "vit_b_16", "swin_t"),
)
_FAMILIES = {
    "layer1.0.conv1.weight": ("resnet", "resnext", "wide_resnet"),
    "features.denseblock1.denselayer1.conv1.weight": ("densenet",),
    "conv_proj.weight": ("vit_",),
    "features.0.0.weight": ("efficientnet", "mobilenet", "convnext", "swin"),
    "features.0.weight": ("vgg", "alexnet"),
}
"""The prefix of the networks' names by a tensor of all its networks."""

_CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_NUMBERED_LAYER = "4.0.conv1.weight"
_WITHOUT_LINEAR_HEAD = ("googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1")
_SLOW_TO_BUILD = "regnet"  # up to 2.6 GB, and never on the meta device


@dataclass(frozen=True)
class ArchitectureSpec:
    """The tensors of a network by name and shape, without their values.

    Args:
        name: of torchvision, or "timm:NAME".
        shapes: the tensors' shapes by name, without counters of batches.
        head: the name of the last linear layer.
        stem: the name of the first convolution's weight.
        size: side of the input in pixels that the network is built for; None if it takes any.
    """

    name: str
    shapes: Shapes
    head: str
    stem: str
    size: int | None = None

    def network(self) -> nn.Module:
        """Return the network with random weights."""
        return new_network(self.name, size=self.size)

    def shapes_for(self, tensors: Mapping[str, Tensor]) -> Shapes:
        """Return the shapes for as many input channels as the given tensors have."""
        wanted, found = self.shapes[self.stem], tensors.get(self.stem)
        if found is None or found.ndim != 4 or found.shape[1] == wanted[1]:
            return self.shapes
        return {**self.shapes, self.stem: (wanted[0], found.shape[1], *wanted[2:])}

    def similarity(self, tensors: Mapping[str, Tensor]) -> float:
        """Return the share of tensors in [0, 1] that agree in name and shape."""
        shapes = self.shapes_for(tensors)
        same = sum(shapes.get(name) == tuple(tensor.shape) for name, tensor in tensors.items())
        return same / len({*shapes, *tensors})


def candidates(tensors: Collection[str]) -> Iterator[str]:
    """Yield torchvision's networks that weights may belong to, the most common first.

    Args:
        tensors: names of the weights. Where one of them belongs to a single family of networks,
            only this family is tried.
    """
    known = torchvision.models.list_models(module=torchvision.models)
    others = (
        name
        for name in known
        if name not in (*_COMMON, *_WITHOUT_LINEAR_HEAD) and not name.startswith(_SLOW_TO_BUILD)
    )
    families = tuple(chain(*(family for key, family in _FAMILIES.items() if key in tensors)))
    for name in (*_COMMON, *others):
        if not families or name.startswith(families):
            yield name


@lru_cache(maxsize=128)
def spec_of(name: str, size: int | None = None) -> ArchitectureSpec:
    """Return the tensors of a network by name and shape.

    Args:
        name: of torchvision, or "timm:NAME".
        size: side of the input in pixels, for vision transformers that are built for one size.

    Raises:
        CheckpointError: there is no such network, or it has no linear head.
    """
    # A RegNet computes its widths with tensors, so it cannot be built without data.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        network = new_network(name, size=size)
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    linear = [key for key, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    stem = [key for key, shape in shapes.items() if len(shape) == 4]
    if not linear or not stem:
        raise CheckpointError(
            f"{name} does not end in a linear layer, so its weights cannot be loaded from a file: "
            "build the network in Python and use CAM(network)"
        )
    counted = {key: shape for key, shape in shapes.items() if not is_counter(key)}
    return ArchitectureSpec(name, counted, linear[-1], stem[0], size)


def is_counter(name: str) -> bool:
    """Return whether a tensor only counts the batches of a training."""
    return name.endswith("num_batches_tracked")


def image_size(tensors: Mapping[str, Tensor]) -> int | None:
    """Return the input size in pixels of torchvision's vision transformer; None for other weights.

    Args:
        tensors: weights by name.
    """
    places, patch = tensors.get("encoder.pos_embedding"), tensors.get("conv_proj.weight")
    if places is None or patch is None or places.ndim != 3 or patch.ndim != 4:
        return None
    return math.isqrt(max(places.shape[1] - 1, 0)) * patch.shape[-1]


def new_network(name: str, num_classes: int | None = None, *, size: int | None = None) -> nn.Module:
    """Build a network with random weights.

    Args:
        name: "timm:NAME" or "torchvision:NAME"; without a prefix torchvision's network if there is
            one of that name, else timm's.
        num_classes: outputs of the head; None for the number that the library sets.
        size: side of the input in pixels, for torchvision's vision transformers.

    Raises:
        CheckpointError: there is no such network, or timm is not installed.
    """
    library, _, own_name = name.rpartition(":")
    options: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    try:
        if library == "timm" or (not library and own_name not in torchvision.models.list_models()):
            import timm

            network: nn.Module = timm.create_model(own_name, pretrained=False, **options)
            return network
        if size is not None and own_name.startswith("vit_"):
            options["image_size"] = size
        network = torchvision.models.get_model(own_name, weights=None, **options)
    except ImportError:
        raise CheckpointError(
            f"torchvision has no network {own_name!r}; for timm's networks: pip install timm"
        ) from None
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"there is no network {name!r} ({error}): name one of torchvision, or timm:NAME; "
            "torchvision.models.list_models() and timm.list_models() list the names"
        ) from error
    return network


def without_prefixes(state_dict: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the tensors as named, then without one prefix after another.

    A prefix is the common start of most names: "module." of DataParallel, or the attribute of a
    class that holds the network. Removing stops if two tensors would get the same name, such as a
    student's and a teacher's. A ResNet with numbered layers, as in a Sequential of its children, is
    yielded last with the usual names.

    Args:
        state_dict: tensors by name.
    """
    names = {name: _modern(name) for name in state_dict}
    numbered = None
    while True:
        yield {new: state_dict[old] for old, new in names.items()}
        if _NUMBERED_LAYER in names.values():
            numbered = {_numbered(new): state_dict[old] for old, new in names.items()}
        prefix = _common_prefix(names.values())
        shorter = {old: new.removeprefix(prefix) for old, new in names.items()}
        if not prefix or len(set(shorter.values())) < len(shorter):
            break
        names = shorter
    if numbered is not None:
        yield numbered


def _common_prefix(names: Collection[str]) -> str:
    """Return the prefix, up to the first dot, of at least half of the names, or ""."""
    firsts = Counter(name.partition(".")[0] for name in names if "." in name)
    first, count = max(firsts.items(), key=lambda item: item[1], default=("", 0))
    return f"{first}." if 2 * count >= len(names) and not first.isdigit() else ""


def _numbered(name: str) -> str:
    """Return torchvision's name of a tensor in a Sequential of a ResNet's children."""
    number, _, rest = name.partition(".")
    return f"{_CHILDREN[number]}.{rest}" if number in _CHILDREN else name


def _modern(name: str) -> str:
    """Return a DenseNet's name as torchvision has written it since version 0.2.1."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name)


def without_nesting(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a head's tensors without the name of its only part, such as mmpretrain's "fc.".

    The number of a layer in a Sequential is kept.

    Args:
        tensors: tensors by their names inside the head.
    """
    prefix = _common_prefix(tensors)
    if not prefix or not all(name.startswith(prefix) for name in tensors):
        return tensors
    return without_nesting({name.removeprefix(prefix): t for name, t in tensors.items()})
