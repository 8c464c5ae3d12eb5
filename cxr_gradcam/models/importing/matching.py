"""Find the network whose tensor names and shapes match weights of unknown origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.importing.architectures import (
    ArchitectureSpec,
    Shapes,
    candidates,
    image_size,
    is_counter,
    spec_of,
    without_nesting,
    without_prefixes,
)

_EFFICIENTNET_LITE = tuple(f"timm:tf_efficientnet_lite{size}" for size in range(5))
_SHOWN = 2  # tensors that a message lists


def build(
    state_dict: Mapping[str, Tensor], architecture: str | None
) -> tuple[nn.Module, tuple[str, ...], str]:
    """Return the network that weights belong to, with these weights, in eval mode.

    Args:
        state_dict: tensors by name, possibly with prefixes.
        architecture: a name of torchvision, or "timm:NAME"; None to try all of torchvision.

    Returns:
        The network, what was assumed about its head, and the network's name.

    Raises:
        CheckpointError: the weights fit no such network, or only in part.
    """
    weights = {key: tensor for key, tensor in state_dict.items() if not is_counter(key)}
    versions = list(without_prefixes(weights))
    names = (*candidates({*chain(*versions)}),) if architecture is None else (architecture,)
    lite = next((version for version in versions if "_conv_stem.weight" in version), None)
    if lite is not None:
        names = _EFFICIENTNET_LITE if architecture is None else names
        versions = [_renamed_in_order(lite, spec_of(name).shapes) for name in names]
    for name in names:
        for version in versions:
            spec = spec_of(name, image_size(version))
            for tensors in (version, _head_renamed(version, spec)):
                head = _fitting_head(tensors, spec)
                if head is not None:
                    return *_filled(spec, tensors, head), name
    raise CheckpointError(_mismatch(versions, [spec_of(name) for name in names]))


def _renamed_in_order(tensors: Mapping[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
    """Return efficientnet_lite_pytorch's tensors with timm's names: both have the same order."""
    if len(tensors) != len(shapes):
        return dict(tensors)
    return dict(zip(shapes, tensors.values(), strict=True))


def _head_renamed(tensors: Mapping[str, Tensor], spec: ArchitectureSpec) -> dict[str, Tensor]:
    """Return the tensors with the network's name of the head, if the file has another name."""
    unknown = {name.partition(".")[0] for name in tensors if name not in spec.shapes}
    if len(unknown) != 1 or any(name.startswith(f"{spec.head}.") for name in tensors):
        return dict(tensors)
    [other] = unknown
    return {
        f"{spec.head}{name[len(other) :]}" if name.startswith(f"{other}.") else name: tensor
        for name, tensor in tensors.items()
    }


def _fitting_head(tensors: Mapping[str, Tensor], spec: ArchitectureSpec) -> str | None:
    """Return the module to replace so that the weights fit; None if no replacement helps."""
    shapes = spec.shapes_for(tensors)
    parts = spec.head.split(".")
    for head in (".".join(parts[:end]) for end in range(len(parts), 0, -1)):
        trunk = {k: tuple(t.shape) for k, t in tensors.items() if not k.startswith(f"{head}.")}
        expected = {k: shape for k, shape in shapes.items() if not k.startswith(f"{head}.")}
        if trunk == expected and len(trunk) < len(tensors):
            return head
    return None


def _filled(
    spec: ArchitectureSpec, tensors: Mapping[str, Tensor], head: str
) -> tuple[nn.Module, tuple[str, ...]]:
    """Return the network with the weights and a head of their layers, and what was assumed."""
    network = spec.network()
    _take_channels(network, spec.stem, tensors)
    original = network.get_submodule(head)
    own = {key[len(head) + 1 :]: t for key, t in tensors.items() if key.startswith(f"{head}.")}
    own = without_nesting(own)
    trunk = {key: t for key, t in tensors.items() if not key.startswith(f"{head}.")}
    module, assumed = _new_head(own)
    parent, _, child = head.rpartition(".")
    setattr(network.get_submodule(parent), child, module)
    counters = {key: t for key, t in network.state_dict().items() if is_counter(key)}
    try:
        _check_width(original, module)
        placed = {f"{head}.{key}": tensor for key, tensor in own.items()}
        network.load_state_dict({**counters, **trunk, **placed})
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"the head {head!r} of these {spec.name} weights does not fit: {reason}"
        ) from error
    return network.eval(), assumed


def _take_channels(network: nn.Module, stem: str, tensors: Mapping[str, Tensor]) -> None:
    """Give the first convolution as many input channels as the weights have, e.g. one for grey."""
    layer = network.get_submodule(stem.rpartition(".")[0])
    weight = tensors[stem]
    if isinstance(layer, nn.Conv2d) and layer.weight.shape != weight.shape:
        layer.in_channels = weight.shape[1]
        layer.weight = nn.Parameter(torch.empty_like(weight))


def _check_width(original: nn.Module, module: nn.Module) -> None:
    wanted, got = (
        next(m.in_features for m in part.modules() if isinstance(m, nn.Linear))
        for part in (original, module)
    )
    if wanted != got:
        raise RuntimeError(f"it takes {got} features where the network gives {wanted}")


def _new_head(tensors: Mapping[str, Tensor]) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a head with the layers whose weights these are.

    Args:
        tensors: tensors of a Linear, or of a Sequential of Linear, BatchNorm and Dropout.

    Returns:
        The head with random values, and what was assumed about it.

    Raises:
        CheckpointError: the head has other layers.
    """
    if "weight" in tensors:
        return _head_layer(tensors), ()
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
    activation_missing = False
    assumed: tuple[str, ...] = ()
    for place in range(max(groups) + 1):
        if place in groups:
            layers.append(_head_layer(groups[place]))
            activation_missing = activation_missing or isinstance(layers[-1], nn.Linear)
        elif activation_missing:
            layers.append(nn.ReLU())
            activation_missing = False
            assumed = ("ReLU assumed between the linear layers of the head",)
        else:
            layers.append(nn.Identity())  # Dropout does nothing outside training
    return nn.Sequential(*layers), assumed


def _head_layer(tensors: Mapping[str, Tensor]) -> nn.Module:
    weight = tensors.get("weight", torch.empty(()))
    if weight.ndim == 2:
        return nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in tensors)
    if weight.ndim == 1 and "running_mean" in tensors:
        return nn.BatchNorm1d(len(weight))
    raise CheckpointError(
        f"a layer of the head with a weight of shape {tuple(weight.shape)} cannot be rebuilt: "
        "build the network in Python, load its state_dict and use CAM(network)"
    )


def _mismatch(versions: Sequence[Mapping[str, Tensor]], tried: Sequence[ArchitectureSpec]) -> str:
    """Say in one line which weights were given, which network is closest, and what to do.

    Args:
        versions: the tensors by name, with and without prefixes.
        tried: at least one network.
    """
    tensors, closest = max(
        ((version, spec) for version in versions for spec in tried),
        key=lambda pair: pair[1].similarity(pair[0]),
    )
    shapes = {name: tuple(tensor.shape) for name, tensor in versions[0].items()}
    line = f"the weights ({len(shapes)} tensors: {_listed(shapes)}) fit "
    line += f"not {closest.name}" if len(tried) == 1 else "no network of torchvision"
    if closest.similarity(tensors) >= 0.5:
        line += "" if len(tried) == 1 else f"; closest is {closest.name}"
        line += _behind(versions[0], tensors)
        line += f" ({_differences(tensors, closest)})"
    return line + (
        ": name the architecture (a name of torchvision, or timm:NAME), mend the file, or build "
        "the network in Python and use CAM(network)"
    )


def _behind(named: Mapping[str, Tensor], closest: Mapping[str, Tensor]) -> str:
    """Say which prefix was removed from names, the same tensors in the same order; "" for none."""
    for old, new in zip(named, closest, strict=False):
        if old != new and old.endswith(f".{new}"):
            return f" behind the prefix {old.removesuffix(new)!r}"
    return ""


def _differences(tensors: Mapping[str, Tensor], spec: ArchitectureSpec) -> str:
    shapes = spec.shapes_for(tensors)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    trunk = {name for name in (*shapes, *found) if not name.startswith(f"{spec.head}.")}
    missing = {name: shape for name, shape in shapes.items() if name not in found}
    unknown = {name: shape for name, shape in found.items() if name not in shapes}
    other = {name: found[name] for name in shapes if found.get(name, shapes[name]) != shapes[name]}
    parts = {
        "missing": {name: shape for name, shape in missing.items() if name in trunk},
        "unknown": unknown,
        "of another shape": {name: shape for name, shape in other.items() if name in trunk},
    }
    listed = [f"{len(some)} {what}: {_listed(some)}" for what, some in parts.items() if some]
    if not any(name.startswith(spec.head.partition(".")[0]) for name in found):
        listed.append(f"no head: its weight would be {spec.head}.weight")
    return "; ".join(listed) or "all but the head fits"


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    listed = ", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[:_SHOWN])
    return f"{listed}, …" if len(shapes) > _SHOWN else listed
