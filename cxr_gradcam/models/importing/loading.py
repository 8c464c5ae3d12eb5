"""`load_model`: from a file or a library's name to a model that can be explained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from torch import nn
from torchvision.models import get_model, get_model_weights

from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.checkpoint import (
    WEIGHTS,
    CheckpointError,
    hub_config,
    is_ours,
    load_checkpoint,
    locate,
)
from cxr_gradcam.models.importing.assembling import LoadedNetwork, assemble
from cxr_gradcam.models.importing.hugging_face import load_folder
from cxr_gradcam.models.importing.matching import build
from cxr_gradcam.models.importing.overrides import LoadOverrides
from cxr_gradcam.models.importing.weight_files import read_weights
from cxr_gradcam.models.initial_weights import BUNDLED
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import Provenance, name_of
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

_FOLDER, _HUB = "hf:", "hf://"
_LIBRARIES = ("torchvision", "timm", "torchxrayvision")


def load_model(
    source: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    architecture: str | None = None,
    input_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    multi_label: bool | None = None,
    state_dict: str | None = None,
    fast: bool = True,
) -> ResNet50FineTuned | CAM:
    """Return a model that can be explained, from anybody's weights.

    Args:
        source: a file of `save_checkpoint`, of torch.save (a state_dict, or a training checkpoint
            that has one) or of safetensors; "hf:FOLDER" for a local folder of transformers'
            save_pretrained; "hf://owner/name[/FILE]"; "torchvision:NAME", "timm:NAME" or
            "torchxrayvision:NAME" for a library's pretrained weights; "bundled" for the package's.
        class_names: the classes in the order of the logits; for one logit also two names, the
            absence's first.
        architecture: a name of torchvision, or "timm:NAME"; None to find it by the weights' names
            and shapes.
        input_size: side of the square input in pixels.
        mean: mean of each channel, for values in [0, 1]; one number for all channels.
        std: standard deviation of each channel, for values in [0, 1]; one number for all channels.
        multi_label: whether several classes can be true at once.
        state_dict: which weights of a file that holds several, as averaged (EMA) beside raw ones:
            their key, with dots between nested keys, or what their tensors' names begin with; None
            for the raw ones.
        fast: whether a `ResNet50FineTuned` may compute in lower precision; other networks always
            use the precision of their weights.

    Returns:
        A `ResNet50FineTuned` for a ResNet50 with a linear head, else a `CAM`, in eval mode. Its
        `assumptions` list in words what neither the caller nor the file said; its `provenance`
        says where the weights come from.

    Raises:
        CheckpointError: the weights cannot be found or read, or fit no network as a whole.

    Example:
        >>> load_model("bundled").class_names
        ('Normal', 'Pneumonia')
    """
    overrides = LoadOverrides(class_names, input_size, mean, std, multi_label)
    library = str(source).partition(":")[0]
    if library in _LIBRARIES and ":" in str(source) and not Path(source).exists():
        return assemble(_pretrained(str(source)), overrides, fast=fast)
    folder = _hugging_face_folder(source, architecture)
    if folder is not None:
        return assemble(load_folder(folder, name_of(source)), overrides, fast=fast)
    path = bundled_checkpoint() if source == BUNDLED else locate(source)
    header = load_checkpoint(path) if is_ours(path) else None
    if header is None:
        named = architecture or _architecture_on_hub(source)
        weights = read_weights(path, state_dict)
        network, assumed, name = build(weights.tensors, named)
        assumed = (*filter(None, [weights.assumption]), *assumed)
    else:
        network, assumed, _ = build(header.state_dict, header.architecture)
        name = header.architecture
    provenance = Provenance.of_file(path, name, name_of(path if source == BUNDLED else source))
    return assemble(LoadedNetwork(network, provenance, assumed, header), overrides, fast=fast)


def _hugging_face_folder(source: str | os.PathLike[str], architecture: str | None) -> Path | None:
    """Return the folder of a source that Hugging Face's libraries wrote whole, or None."""
    text = str(source)
    if text.startswith(_FOLDER) and not text.startswith(_HUB):
        return Path(text.removeprefix(_FOLDER)).expanduser()
    is_named = architecture is not None or text.endswith(WEIGHTS)
    if not text.startswith(_HUB) or is_named or "model_type" not in hub_config(source):
        return None
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            text.removeprefix(_HUB), allow_patterns=["*.json", "*.safetensors", "*.bin"]
        )
    )


def _architecture_on_hub(source: str | os.PathLike[str]) -> str | None:
    """Return the architecture that a Hugging Face repository of timm's names, or None."""
    config = hub_config(source) if str(source).startswith("hf://") else {}
    if not isinstance(config.get("architecture"), str):
        return None
    tag = config.get("pretrained_cfg", {}).get("tag")
    return f"timm:{config['architecture']}{f'.{tag}' if tag else ''}"


def _pretrained(source: str) -> LoadedNetwork:
    """Return a library's network with its pretrained weights, which the library downloads.

    Args:
        source: "torchvision:NAME", "timm:NAME" or "torchxrayvision:NAME".

    Raises:
        CheckpointError: the library is not installed, has no such network, or cannot download its
            weights.
    """
    library, _, name = source.partition(":")
    try:
        network = _download(library, name).eval()
    except ImportError as error:
        raise CheckpointError(f"{library} is not installed: pip install {library}") from error
    except Exception as error:  # each library fails in ways of its own
        raise CheckpointError(
            f"{source} cannot be had ({error}): check the name, and connect to the network "
            "once so that its weights are fetched, or give the path of a file"
        ) from error
    provenance = Provenance.of_tensors(name, network.state_dict(), source)
    return LoadedNetwork(network, provenance, from_library=True)


def _download(library: str, name: str) -> nn.Module:
    if library == "torchvision":
        return _download_from_torchvision(name)
    if library == "timm":
        import timm

        network: nn.Module = timm.create_model(name, pretrained=True)
        return network
    import torchxrayvision

    return torchxrayvision.models.get_model(name)  # type: ignore[no-any-return]


def _download_from_torchvision(name: str) -> nn.Module:
    """Return a network with torchvision's best weights, and their preprocessing and classes."""
    weights = get_model_weights(name).DEFAULT
    network: nn.Module = get_model(name, weights=weights)
    transforms = weights.transforms()
    network.preprocessing = Preprocessing(  # type: ignore[assignment]
        int(transforms.crop_size[0]), tuple(transforms.mean), tuple(transforms.std)
    )
    network.class_names = _unique(weights.meta["categories"])  # type: ignore[assignment]
    return network


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Number names that occur twice: ImageNet has two classes "crane" and two "maillot"."""
    return tuple(
        name if name not in names[:index] else f"{name} ({index})"
        for index, name in enumerate(names)
    )
