"""Folders of Hugging Face's libraries: weights beside a config.json that names their network."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.importing.assembling import LoadedNetwork
from cxr_gradcam.models.importing.matching import build
from cxr_gradcam.models.importing.weight_files import read_weights
from cxr_gradcam.models.library_records import image_processor
from cxr_gradcam.models.provenance import Provenance

TRANSFORMERS = "transformers:"
"""What the architecture of a network of transformers begins with."""

_TIMM_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def load_folder(folder: Path, name: str) -> LoadedNetwork:
    """Return the network of a folder that `save_pretrained` of transformers or timm's hub wrote.

    Args:
        folder: holds config.json and weights; transformers' preprocessor_config.json says how the
            input is made.
        name: of the weights, as results show it.

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
    except Exception as error:  # transformers fails in ways of its own
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
