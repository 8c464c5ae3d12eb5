"""Which network weights belong to, told by comparing names and shapes with those of known ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import chain

import torch
import torchvision
from torch import Tensor, nn

from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.importing.heads import rebuilt
from cxr_gradcam.models.importing.misfits import misfit
from cxr_gradcam.models.importing.skeletons import Shapes, Skeleton, image_size, skeleton
from cxr_gradcam.models.importing.state_dicts import is_counter, without_prefixes

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
"""By a tensor that all of a family have, how the names of its networks begin."""

_UNUSED = ("googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1")  # other heads
_EFFICIENTNET_LITE = tuple(f"timm:tf_efficientnet_lite{size}" for size in range(5))


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
    weights = {key: tensor for key, tensor in state_dict.items() if not is_counter(key)}
    versions = list(without_prefixes(weights))
    names = _candidates({*chain(*versions)}) if architecture is None else (architecture,)
    if "_conv_stem.weight" in versions[-1]:
        names = _EFFICIENTNET_LITE if architecture is None else names
        versions = [_in_order(versions[-1], skeleton(name).shapes) for name in names]
    for name in names:
        for version in versions:
            known = skeleton(name, image_size(version))
            for tensors in (version, _head_renamed(version, known.head)):
                head = _fitting_head(tensors, known)
                if head is not None:
                    return *_filled(known, tensors, head), name
    raise CheckpointError(misfit(versions, [skeleton(name) for name in names]))


def _candidates(tensors: Collection[str]) -> tuple[str, ...]:
    """Return the networks to try, the most common first; by a tensor's name, only its family."""
    known = torchvision.models.list_models(module=torchvision.models)
    others = (name for name in known if not name.startswith("regnet"))  # up to 2.6 GB to build
    names = (*_COMMON, *(name for name in others if name not in (*_COMMON, *_UNUSED)))
    families = tuple(chain(*(family for key, family in _FAMILIES.items() if key in tensors)))
    return tuple(name for name in names if name.startswith(families)) if families else names


def _in_order(tensors: Mapping[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
    """Return the tensors of efficientnet_lite_pytorch under timm's names, whose order is theirs."""
    if len(tensors) != len(shapes):
        return dict(tensors)
    return dict(zip(shapes, tensors.values(), strict=True))


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


def _fitting_head(tensors: Mapping[str, Tensor], known: Skeleton) -> str | None:
    """Return the module that has to be replaced for the weights to fit; None where none does."""
    shapes = known.with_channels_of(tensors)
    parts = known.head.split(".")
    for head in (".".join(parts[:end]) for end in range(len(parts), 0, -1)):
        trunk = {k: tuple(t.shape) for k, t in tensors.items() if not k.startswith(f"{head}.")}
        expected = {k: shape for k, shape in shapes.items() if not k.startswith(f"{head}.")}
        if trunk == expected and len(trunk) < len(tensors):
            return head
    return None


def _filled(known: Skeleton, tensors: Mapping[str, Tensor], head: str) -> tuple[nn.Module, str]:
    network = known.network()
    _take_channels(network, known.stem, tensors)
    original = network.get_submodule(head)
    own = {key[len(head) + 1 :]: t for key, t in tensors.items() if key.startswith(f"{head}.")}
    module, assumed = rebuilt(own)
    parent, _, child = head.rpartition(".")
    setattr(network.get_submodule(parent), child, module)
    counters = {key: t for key, t in network.state_dict().items() if is_counter(key)}
    try:
        _check_width(original, module)
        network.load_state_dict({**counters, **tensors})
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise CheckpointError(
            f"the head {head!r} of these {known.name} weights does not fit: {said}"
        ) from error
    return network.eval(), assumed


def _take_channels(network: nn.Module, stem: str, tensors: Mapping[str, Tensor]) -> None:
    """Let the first convolution take as many channels as its weights do, as one for grey."""
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
