"""`load_model`: from a file or a library's name to a model that can be explained."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
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
from cxr_gradcam.models.importing.matching import build
from cxr_gradcam.models.importing.overrides import LoadOverrides
from cxr_gradcam.models.importing.weight_files import read_weights
from cxr_gradcam.models.initial_weights import BUNDLED
from cxr_gradcam.models.library_records import image_processor
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import Provenance, name_of
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

_FOLDER, _HUB = "hf:", "hf://"
TRANSFORMERS = "transformers:"
"""The prefix of the architecture of a transformers network."""

_TIMM_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
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
    """Return a model that can be explained, from any weights.

    Args:
        source: a file of `save_checkpoint`, of torch.save (a state_dict, or a training checkpoint
            that has one) or of safetensors; "hf:FOLDER" for a local folder of transformers'
            save_pretrained; "hf://owner/name[/FILE]"; "torchvision:NAME", "timm:NAME" or
            "torchxrayvision:NAME" for a library's pretrained weights; "bundled" for the package's.
        class_names: the classes in the order of the logits; for one logit also two names, that of
            the absence first.
        architecture: a name of torchvision, or "timm:NAME"; None to find it by the weights' names
            and shapes.
        input_size: side of the square input in pixels.
        mean: mean of each channel, for values in [0, 1]; one number for all channels.
        std: standard deviation of each channel, for values in [0, 1]; one number for all channels.
        multi_label: whether several classes can be true at once.
        state_dict: which weights of a file that holds several sets, such as averaged (EMA) and raw
            ones: their key, with dots between nested keys, or the prefix of their tensors' names;
            None for the raw ones.
        fast: whether a ResNet may be run by OpenVINO and in lower precision; other networks always
            use the precision of their weights.

    Returns:
        A `ResNet50FineTuned` for a ResNet50 with a linear head, else a `CAM`, in eval mode. Its
        `assumptions` list in words the settings that neither the caller nor the file gave; its
        `provenance` says where the weights come from.

    Raises:
        CheckpointError: the weights cannot be found or read, or fit no network as a whole.

    Example:
        >>> load_model("bundled").class_names
        ('Normal', 'Pneumonia')
    """
    if isinstance(source, nn.Module):
        raise CheckpointError("this is a network, not a file of weights: CAM(network) explains it")
    overrides = LoadOverrides(class_names, input_size, mean, std, multi_label)
    return assemble(_loaded(source, architecture, state_dict), overrides, fast=fast)


def _loaded(
    source: str | os.PathLike[str], architecture: str | None, state_dict: str | None
) -> LoadedNetwork:
    """Return the network of any source of `load_model`."""
    text = str(source)
    if text.startswith(tuple(f"{library}:" for library in _LIBRARIES)) and not Path(text).exists():
        return _pretrained(text)
    if text.startswith(_FOLDER) and not text.startswith(_HUB):
        folder = Path(text.removeprefix(_FOLDER)).expanduser()
        return _load_folder(folder, name_of(folder))
    path = bundled_checkpoint() if source == BUNDLED else locate(source)
    name = name_of(path if source == BUNDLED else source)
    if is_ours(path):
        header = load_checkpoint(path)
        network, assumed, _ = build(header.state_dict, header.architecture)
        provenance = Provenance.of_file(path, header.architecture, name)
        return LoadedNetwork(network, provenance, assumed, header)
    config = hub_config(source) if text.startswith(_HUB) and architecture is None else {}
    if "model_type" in config and not text.endswith(WEIGHTS):
        return _load_folder(_down_load_folder(text.removeprefix(_HUB)), name)
    weights = read_weights(path, state_dict)
    network, assumed, found = build(weights.tensors, architecture or _timm_name(config))
    assumed = (*filter(None, [weights.assumption]), *assumed)
    return LoadedNetwork(network, Provenance.of_file(path, found, name), assumed)


def _timm_name(config: Mapping[str, Any]) -> str | None:
    """Return the architecture that the config.json of a timm repository names, or None."""
    if not isinstance(config.get("architecture"), str):
        return None
    tag = config.get("pretrained_cfg", {}).get("tag")
    return f"timm:{config['architecture']}{f'.{tag}' if tag else ''}"


def _down_load_folder(repository: str) -> Path:
    """Return the folder of a repository of transformers, fetched from Hugging Face."""
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(repository, allow_patterns=["*.json", "*.safetensors", "*.bin"])
        )
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{repository!r} cannot be fetched from Hugging Face ({error}): connect to the network "
            "once, or download the folder and name it as hf:FOLDER"
        ) from error


def _load_folder(folder: Path, name: str) -> LoadedNetwork:
    """Return the network of a folder that `save_pretrained` of transformers or timm's hub wrote.

    Args:
        folder: holds config.json and weights; transformers' preprocessor_config.json says how the
            input is made.
        name: the name of the weights in results.

    Raises:
        CheckpointError: the folder lacks a file, transformers is not installed, or the weights do
            not fill the network.
    """
    config = _config(folder)
    if isinstance(config.get("architecture"), str):
        return _of_timm(folder, config, name)
    network = _of_transformers(folder)
    architecture = f"{TRANSFORMERS}{config.get('model_type', type(network).__name__)}"
    provenance = Provenance.of_tensors(name, network.state_dict(), architecture)
    return LoadedNetwork(network, provenance, from_library=bool(image_processor(network)))


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except OSError:
        raise CheckpointError(
            f"{folder} holds no config.json: name a folder that save_pretrained wrote, or a file "
            "of weights"
        ) from None
    except ValueError as error:
        raise CheckpointError(
            f"{folder / 'config.json'} is no readable JSON ({error}): fetch the folder again"
        ) from error
    return config if isinstance(config, dict) else {}


def _of_transformers(folder: Path) -> nn.Module:
    try:
        from transformers import AutoModelForImageClassification
    except ImportError:
        raise CheckpointError(
            f"{folder} is a folder of transformers, which is not installed: "
            "pip install 'cxr-gradcam[transformers]'"
        ) from None
    try:
        network, report = AutoModelForImageClassification.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # transformers may raise anything
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(
            f"{folder} holds no image classifier that transformers can load ({reason}): name a "
            "folder that save_pretrained of a ...ForImageClassification wrote"
        ) from error
    _require_all(folder, [*report["missing_keys"], *map(str, report["mismatched_keys"])])
    return network.eval()  # type: ignore[no-any-return]


def _require_all(folder: Path, missing: Collection[str]) -> None:
    """Refuse a folder without a head: transformers would make up random weights for it."""
    if missing:
        raise CheckpointError(
            f"{folder} lacks weights of its network ({', '.join(sorted(missing)[:3])}): save the "
            "whole classifier, with its head, by save_pretrained"
        )


def _of_timm(folder: Path, config: dict[str, Any], name: str) -> LoadedNetwork:
    path = next((folder / file for file in _TIMM_WEIGHTS if (folder / file).is_file()), None)
    if path is None:
        raise CheckpointError(f"{folder} holds none of {', '.join(_TIMM_WEIGHTS)}: fetch it again")
    architecture = f"timm:{config['architecture']}"
    network, assumed, _ = build(read_weights(path).tensors, architecture)
    own = {key: value for key, value in config.get("pretrained_cfg", {}).items() if value}
    network.pretrained_cfg = {**getattr(network, "pretrained_cfg", {}), **own}  # type: ignore[assignment]
    network.class_names = config.get("label_names")  # type: ignore[assignment]
    provenance = Provenance.of_file(path, architecture, name)
    return LoadedNetwork(network, provenance, assumed, from_library=True)


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
    except Exception as error:  # each library may raise anything
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
