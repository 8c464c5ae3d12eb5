"""Weights as safetensors files with a header: classes, preprocessing, origin."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cxr_gradcam.atomic_files import atomic_files
from cxr_gradcam.models.calibration import Calibration, OperatingPoint
from cxr_gradcam.models.ood import OODDetector, from_header, to_header
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.provenance import RESNET50, file_sha256

_HEADER = "cxr_gradcam"
_HUB = "hf://"
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")

WEIGHTS = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".tar")
"""The endings of names of files of weights."""


class CheckpointError(ValueError):
    """The weights cannot be read or do not fit the model."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights and the data stored with them.

    Args:
        state_dict: tensors by name, as `ResNet50FineTuned.state_dict()` names them.
        class_names: the classes in the order of the logits.
        preprocessing: how the input is made.
        training: the training data and method, in words and figures.
        calibration: parameters fitted to the logits of validation images.
        ood_detector: detects images unlike the training images; None if there is no detector.
        architecture: the network: "resnet50" for the package's own, a name of torchvision, or
            "timm:NAME".
        multi_label: whether several classes can be true at once; True for a single class.
        assumptions: settings of these weights that were assumed, in words.
        finding: the class that is the finding; None if there is none or more than one, or it is not
            known.
    """

    state_dict: Mapping[str, Tensor]
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    training: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
    ood_detector: OODDetector | None = None
    architecture: str = RESNET50
    multi_label: bool = False
    assumptions: tuple[str, ...] = ()
    finding: str | None = None


def save_checkpoint(
    path: str | os.PathLike[str], checkpoint: Checkpoint, *, exact: bool = False
) -> None:
    """Write a checkpoint, convolution and linear weights in half precision.

    Vectors (biases, BatchNorm parameters and statistics) stay in float32: they take little space,
    and small variances would be lost in half precision. The file is written completely or not at
    all.

    Args:
        path: the .safetensors file.
        checkpoint: the checkpoint to write.
        exact: use half precision only if that changes no value.
    """
    tensors = {
        name: (_halved(tensor, exact=exact) if tensor.ndim > 1 else tensor).contiguous().cpu()
        for name, tensor in checkpoint.state_dict.items()
    }
    calibration = asdict(checkpoint.calibration)
    if not calibration["offsets"]:
        del calibration["offsets"]  # files of earlier releases have none, and the same checksum
    header = {
        "architecture": checkpoint.architecture,
        "class_names": checkpoint.class_names,
        "finding": checkpoint.finding,
        "multi_label": checkpoint.multi_label or len(checkpoint.class_names) == 1,
        "preprocessing": asdict(checkpoint.preprocessing),
        "assumptions": checkpoint.assumptions,
        "training": checkpoint.training,
        "calibration": calibration,
        # In the header, not among the tensors: older readers treat every tensor as a weight.
        "gate": None if checkpoint.ood_detector is None else to_header(checkpoint.ood_detector),
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with atomic_files(Path(path)) as [partial]:
        save_file(tensors, partial, metadata={_HEADER: json.dumps(header)})


def load_checkpoint(source: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint.

    Args:
        source: a .safetensors file that `save_checkpoint` wrote, or "hf://owner/name" for the
            file model.safetensors of a Hugging Face repository.

    Returns:
        The checkpoint, its floating-point tensors in float32.

    Raises:
        CheckpointError: the file does not exist, is not a safetensors file, or has no such header.
    """
    path = locate(source)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state_dict = {name: _full_precision(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise CheckpointError(f"no weights at {path}: check the path") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is no readable safetensors file ({error}): it may have been cut short; "
            "fetch it again"
        ) from error
    try:
        return _described(state_dict, json.loads(metadata[_HEADER]))
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{path} does not name its classes and preprocessing: write it with save_checkpoint, "
            "or load its tensors with load_state_dict"
        ) from None


def is_ours(path: Path) -> bool:
    """Return whether a file has the header that `save_checkpoint` writes."""
    try:
        with safe_open(path, framework="pt") as file:
            return _HEADER in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def architecture_of(network: str | None) -> str:
    """Return the architecture for a network's name; None stands for the package's ResNet50.

    Torchvision's ResNet50 has other tensor names than the package's.
    """
    if network is None:
        return RESNET50
    return f"torchvision:{network}" if network == RESNET50 else network


def checksum(source: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a checkpoint's file, which identifies the weights in results.

    Args:
        source: a .safetensors file, or "hf://owner/name" for a Hugging Face repository.

    Returns:
        64 hexadecimal digits.

    Raises:
        CheckpointError: the file cannot be fetched.
        OSError: the file cannot be read.
    """
    return file_sha256(locate(source))


def _described(state_dict: Mapping[str, Tensor], header: Mapping[str, Any]) -> Checkpoint:
    how = header["preprocessing"]
    preprocessing = Preprocessing(how["size"], tuple(how["mean"]), tuple(how["std"]))
    names = tuple(header["class_names"])
    ood_detector, training = header.get("gate"), header["training"]
    return Checkpoint(
        state_dict,
        names,
        preprocessing,
        training,
        _calibration(header.get("calibration", {})),
        None if ood_detector is None else from_header(ood_detector),
        # Files of earlier releases have the name of the network in "training".
        str(header.get("architecture") or architecture_of(training.get("network"))),
        bool(header.get("multi_label")) or len(names) == 1,
        tuple(header.get("assumptions", ())),
        _finding(header, names),
    )


def _calibration(header: Mapping[str, Any]) -> Calibration:
    point = header.get("operating_point")
    return Calibration(
        header.get("temperature", 1.0),
        None if point is None else OperatingPoint.of_bounds(**point),
        tuple(OperatingPoint.of_bounds(**each) for each in header.get("further_points", ())),
        tuple(header.get("offsets", ())),
    )


def _finding(header: Mapping[str, Any], class_names: Sequence[str]) -> str | None:
    """Return the finding; files of earlier releases name it only in their operating point."""
    point = header.get("calibration", {}).get("operating_point") or {}
    name: str | None = header.get("finding") or point.get("class_name")
    if name is not None and name not in class_names:
        raise ValueError(f"the finding {name} is none of the classes")
    return name


def _halved(tensor: Tensor, *, exact: bool) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return tensor if exact and not torch.equal(half.to(tensor.dtype), tensor) else half


def _full_precision(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor


def locate(source: str | os.PathLike[str]) -> Path:
    """Return the path of a file, after downloading that of "hf://owner/name".

    Args:
        source: a path; "hf://owner/name" for a repository's model.safetensors or, without one, its
            pytorch_model.bin; "hf://owner/name/FILE" for another file of the repository.

    Raises:
        CheckpointError: the file cannot be fetched.
    """
    if not str(source).startswith(_HUB):
        return Path(source)
    owner, _, rest = str(source).removeprefix(_HUB).partition("/")
    name, _, file = rest.partition("/")
    if not file.endswith(WEIGHTS):
        return _download(str(source).removeprefix(_HUB), _HUB_FILES)
    return _download(f"{owner}/{name}", (file,))


def hub_config(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of config.json in the repository "hf://owner/name", or {}."""
    from huggingface_hub import hf_hub_download

    repository = "/".join(str(source).removeprefix(_HUB).split("/")[:2])
    try:
        config = json.loads(Path(hf_hub_download(repository, "config.json")).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _download(repository: str, files: Sequence[str]) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    for file in files:
        try:
            return Path(hf_hub_download(repository, file))
        except (OSError, HFValidationError, EntryNotFoundError) as error:
            failure = error
            if isinstance(error, LocalEntryNotFoundError) or not isinstance(
                error, EntryNotFoundError
            ):
                break  # no file can be fetched
    raise CheckpointError(
        f"{' or '.join(files)} of {repository!r} cannot be fetched from Hugging Face: check the "
        "name and the network, or download the file and give its path"
    ) from failure
