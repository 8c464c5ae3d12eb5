"""What is said of weights that fit no network: what they are, which network is closest, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from cxr_gradcam.models.importing.skeletons import Skeleton

_SHOWN = 2


def misfit(versions: Sequence[Mapping[str, Tensor]], tried: Sequence[Skeleton]) -> str:
    """Say in one line which weights came, which network is closest, and what to do.

    Args:
        versions: the tensors by name, with and without prefixes.
        tried: at least one network.
    """
    tensors, closest = max(
        ((version, known) for version in versions for known in tried),
        key=lambda pair: _likeness(*pair),
    )
    shapes = {name: tuple(tensor.shape) for name, tensor in versions[0].items()}
    said = f"the weights ({len(shapes)} tensors: {_listed(shapes)}) fit "
    said += f"not {closest.name}" if len(tried) == 1 else "no network of torchvision"
    if _likeness(tensors, closest) >= 0.5:
        said += "" if len(tried) == 1 else f"; closest is {closest.name}"
        said += f" ({_differences(tensors, closest)})"
    return said + (
        ": name the architecture (a name of torchvision, or timm:NAME), mend the file, or build "
        "the network in Python and use CAM(network)"
    )


def _likeness(tensors: Mapping[str, Tensor], known: Skeleton) -> float:
    """Return the share of tensors that both have, of all that either has."""
    shapes = known.with_channels_of(tensors)
    same = sum(shapes.get(name) == tuple(tensor.shape) for name, tensor in tensors.items())
    return same / len({*shapes, *tensors})


def _differences(tensors: Mapping[str, Tensor], known: Skeleton) -> str:
    shapes = known.with_channels_of(tensors)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    trunk = {name for name in (*shapes, *found) if not name.startswith(f"{known.head}.")}
    missing = {name: shape for name, shape in shapes.items() if name not in found}
    unknown = {name: shape for name, shape in found.items() if name not in shapes}
    other = {name: found[name] for name in shapes if found.get(name, shapes[name]) != shapes[name]}
    parts = {
        "missing": {name: shape for name, shape in missing.items() if name in trunk},
        "unknown": unknown,
        "of another shape": {name: shape for name, shape in other.items() if name in trunk},
    }
    said = [f"{len(some)} {what}: {_listed(some)}" for what, some in parts.items() if some]
    if not any(name.startswith(known.head.partition(".")[0]) for name in found):
        said.append(f"no head: its weight would be {known.head}.weight")
    return "; ".join(said) or "all but the head fits"


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    said = ", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[:_SHOWN])
    return f"{said}, …" if len(shapes) > _SHOWN else said
