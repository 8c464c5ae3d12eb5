"""Pretrained weights of torchvision, timm and torchxrayvision by their names."""

from __future__ import annotations

import os
from collections.abc import Sequence

from torch import nn
from torchvision.models import get_model, get_model_weights

from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.importing.assembling import Found
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import Provenance

LIBRARIES = ("torchvision", "timm", "torchxrayvision")


def is_library_name(source: str | os.PathLike[str]) -> bool:
    """Return whether a source names a library's weights, as "timm:NAME" does."""
    return str(source).partition(":")[0] in LIBRARIES and ":" in str(source)


def pretrained(source: str) -> Found:
    """Return a library's network with its pretrained weights, which the library fetches.

    Args:
        source: "torchvision:NAME", "timm:NAME" or "torchxrayvision:NAME".

    Raises:
        CheckpointError: the library is missing, has no such network, or cannot fetch its weights.
    """
    library, _, name = source.partition(":")
    try:
        network = _fetch(library, name).eval()
    except ImportError as error:
        raise CheckpointError(f"{library} is not installed: pip install {library}") from error
    except Exception as error:  # each library fails in ways of its own
        raise CheckpointError(
            f"{source} cannot be had ({error}): check the name, and connect to the network "
            "once so that its weights are fetched, or give the path of a file"
        ) from error
    provenance = Provenance.of_tensors(name, network.state_dict(), source)
    return Found(network, provenance, from_library=True)


def _fetch(library: str, name: str) -> nn.Module:
    if library == "torchvision":
        return _torchvision(name)
    if library == "timm":
        import timm

        network: nn.Module = timm.create_model(name, pretrained=True)
        return network
    import torchxrayvision

    return torchxrayvision.models.get_model(name)  # type: ignore[no-any-return]


def _torchvision(name: str) -> nn.Module:
    """Fetch torchvision's best weights, and keep with the network what they say of themselves."""
    weights = get_model_weights(name).DEFAULT
    network: nn.Module = get_model(name, weights=weights)
    how = weights.transforms()
    network.preprocessing = Preprocessing(  # type: ignore[assignment]
        int(how.crop_size[0]), tuple(how.mean), tuple(how.std)
    )
    network.class_names = _unique(weights.meta["categories"])  # type: ignore[assignment]
    return network


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Tell classes of one name apart: ImageNet has two of "crane" and of "maillot"."""
    return tuple(
        name if name not in names[:index] else f"{name} ({index})"
        for index, name in enumerate(names)
    )
