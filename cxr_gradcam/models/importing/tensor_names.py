"""Names of tensors as other people's code writes them, and as torchvision does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from torch import Tensor

_CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_NUMBERED_LAYER = "4.0.conv1.weight"


def without_prefixes(state_dict: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the tensors as named, then without one prefix after another.

    A prefix is what most names begin with: "module." of DataParallel, or what a class calls the
    part that it holds a network in. Removing ends where two tensors would get one name, as a
    student's and a teacher's. A ResNet whose layers are numbered, as in a Sequential of its
    children, comes last with their names.

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
    """Return what at least half of some names begin with, up to the first dot, or ""."""
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
    """Return a head's tensors without the name of its only part, as "fc." in a head of mmpretrain.

    The number of a layer in a Sequential stays.

    Args:
        tensors: by their names inside the head.
    """
    prefix = _common_prefix(tensors)
    if not prefix or not all(name.startswith(prefix) for name in tensors):
        return tensors
    return without_nesting({name.removeprefix(prefix): t for name, t in tensors.items()})
