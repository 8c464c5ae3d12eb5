"""Which network weights belong to, told by comparing names and shapes with those of known ones."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from functools import lru_cache

import torch
import torchvision
from torch import Tensor, nn

from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.importing.state_dicts import without_prefixes

_COMMON = ("resnet50", "densenet121", "resnet18", "resnet34", "resnet101", "efficientnet_b0")
_UNUSED = ("googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1")  # other heads
_EFFICIENTNET_LITE = tuple(f"timm:tf_efficientnet_lite{size}" for size in range(5))
Shapes = Mapping[str, tuple[int, ...]]


def build(state_dict: Mapping[str, Tensor], architecture: str | None) -> tuple[nn.Module, str, str]:
    """Return the network that weights belong to, with these weights, in eval mode.

    Args:
        state_dict: tensors by name, possibly behind prefixes.
        architecture: a name of torchvision, or "timm:NAME"; None to try all of torchvision.

    Returns:
        The network, what was assumed about its head ("" for nothing), and its name.

    Raises:
        CheckpointError: the weights fit no such network, or not wholly.
    """
    names = _candidates() if architecture is None else (architecture,)
    weights = {key: tensor for key, tensor in state_dict.items() if not _counts(key)}
    versions = list(without_prefixes(weights))
    if "_conv_stem.weight" in versions[-1]:
        names = _EFFICIENTNET_LITE if architecture is None else names
        versions = [_in_order(versions[-1], skeleton(name)[0]) for name in names]
    for name in names:
        shapes, last_linear = skeleton(name)
        for version in versions:
            for tensors in (version, _head_renamed(version, last_linear)):
                head = _fitting_head(tensors, shapes, last_linear)
                if head is not None:
                    return *_filled(name, tensors, head), name
    raise CheckpointError(_misfit(versions[-1], architecture))


def new_network(name: str) -> nn.Module:
    """Return a network with random weights.

    Args:
        name: a name of torchvision, or "timm:NAME".

    Raises:
        CheckpointError: no such network.
    """
    library, _, own_name = name.rpartition(":")
    try:
        if library == "timm":
            import timm

            network: nn.Module = timm.create_model(own_name, pretrained=False)
            return network
        builder = torchvision.models.get_model_builder(own_name)
        quick = (
            {"init_weights": False}
            if "init_weights" in inspect.signature(builder).parameters
            else {}
        )
        network = builder(weights=None, **quick)
    except (ImportError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"no architecture {name!r} ({error}): name one of torchvision, or timm:NAME"
        ) from error
    return network


@lru_cache(maxsize=128)
def skeleton(name: str) -> tuple[Shapes, str]:
    """Return the shapes of a network's tensors by name, and the name of its last linear layer."""
    # A RegNet computes its widths with tensors, so it cannot be built without data.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        network = new_network(name)
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    linear = [key for key, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise CheckpointError(f"{name} has no linear head, and such weights cannot be imported")
    return {key: shape for key, shape in shapes.items() if not _counts(key)}, linear[-1]


def _candidates() -> Iterable[str]:
    known = torchvision.models.list_models(module=torchvision.models)
    others = (name for name in known if not name.startswith("regnet"))  # up to 2.6 GB to build
    return (*_COMMON, *(name for name in others if name not in (*_COMMON, *_UNUSED)))


def _in_order(tensors: Mapping[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
    """Return the tensors of efficientnet_lite_pytorch under timm's names, whose order is theirs."""
    if len(tensors) != len(shapes):
        return dict(tensors)
    return dict(zip(shapes, tensors.values(), strict=True))


def _counts(name: str) -> bool:
    return name.endswith("num_batches_tracked")


def _head_renamed(tensors: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    """Return the tensors with a head called fc, head or classifier under the network's name."""
    top = head.split(".")[0]
    for other in {"fc", "head", "classifier"} - {top}:
        if any(name.startswith(f"{other}.") for name in tensors):
            return {
                f"{head}{name[len(other) :]}" if name.startswith(f"{other}.") else name: tensor
                for name, tensor in tensors.items()
            }
    return dict(tensors)


def _fitting_head(tensors: Mapping[str, Tensor], shapes: Shapes, last_linear: str) -> str | None:
    """Return the module that has to be replaced for the weights to fit; None where none does."""
    parts = last_linear.split(".")
    for head in (".".join(parts[:end]) for end in range(len(parts), 0, -1)):
        trunk = {k: tuple(t.shape) for k, t in tensors.items() if not k.startswith(f"{head}.")}
        expected = {k: shape for k, shape in shapes.items() if not k.startswith(f"{head}.")}
        if trunk == expected and len(trunk) < len(tensors):
            return head
    return None


def _filled(name: str, tensors: Mapping[str, Tensor], head: str) -> tuple[nn.Module, str]:
    network = new_network(name)
    own = {key[len(head) + 1 :]: t for key, t in tensors.items() if key.startswith(f"{head}.")}
    module, assumed = _head(own)
    parent, _, child = head.rpartition(".")
    setattr(network.get_submodule(parent), child, module)
    counters = {key: t for key, t in network.state_dict().items() if _counts(key)}
    try:
        network.load_state_dict({**counters, **tensors})
        _check_width(name, head, module)
    except RuntimeError as error:
        raise CheckpointError(f"the head of these {name} weights does not fit: {error}") from error
    return network.eval(), assumed


def _check_width(name: str, head: str, module: nn.Module) -> None:
    original = new_network(name).get_submodule(head)
    wanted, got = (
        next(m.in_features for m in part.modules() if isinstance(m, nn.Linear))
        for part in (original, module)
    )
    if wanted != got:
        raise RuntimeError(f"it takes {got} features where the network gives {wanted}")


def _head(tensors: Mapping[str, Tensor]) -> tuple[nn.Module, str]:
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
    weight = tensors["weight"]
    if weight.ndim == 2:
        return nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in tensors)
    if weight.ndim == 1 and "running_mean" in tensors:
        return nn.BatchNorm1d(len(weight))
    raise CheckpointError(f"a head's layer of shape {tuple(weight.shape)} cannot be rebuilt")


def _misfit(tensors: Mapping[str, Tensor], architecture: str | None) -> str:
    first = ", ".join(f"{key} {tuple(t.shape)}" for key, t in list(tensors.items())[:3])
    wanted = "no network of torchvision" if architecture is None else f"not {architecture}"
    return (
        f"the weights ({len(tensors)} tensors: {first}, …) fit {wanted}: name the right "
        "architecture (a name of torchvision, or timm:NAME), or build the network and use "
        "CAM(network)"
    )
