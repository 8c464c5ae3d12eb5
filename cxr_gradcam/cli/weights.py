"""Options that name and describe the weights of a command or the page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.checkpoint import WEIGHTS
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

VARIABLE = "CXR_GRADCAM_MODEL"
"""The environment variable that names the page's models, separated by commas."""

SOURCE = (
    "a file (.safetensors, .pth, .pt, .ckpt), hf:FOLDER, hf://owner/name, torchvision:NAME, "
    "timm:NAME, torchxrayvision:NAME, or bundled"
)
"""How weights can be named, for help texts."""


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the weights, and those that describe them."""
    parser.add_argument(
        "--model", "--weights", dest="weights", metavar="SOURCE", help=f"{SOURCE}, the default"
    )
    add_description(parser)


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the page's models, and those that describe a single one."""
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="[NAME=]SOURCE",
        help=f"{SOURCE}; several times for several models. Default: {VARIABLE}, or bundled",
    )
    add_description(parser)


def add_description(parser: argparse.ArgumentParser) -> None:
    """Add options for settings that a file of weights may lack."""
    said = parser.add_argument_group("what the file of the weights does not say")
    said.add_argument(
        "--classes", type=_names, metavar="A,B,…", help="names in the order of the logits"
    )
    said.add_argument(
        "--multi-label",
        action=argparse.BooleanOptionalAction,
        help="whether several classes can be true at once",
    )
    said.add_argument("--input-size", type=int, metavar="PIXELS", help="side of the square input")
    said.add_argument(
        "--mean", type=_numbers, metavar="M,M,M", help="mean of each channel, in [0, 1]"
    )
    said.add_argument(
        "--std", type=_numbers, metavar="S,S,S", help="standard deviation of each channel"
    )
    said.add_argument(
        "--architecture", metavar="NAME", help="of torchvision, or timm:NAME; default: recognised"
    )
    said.add_argument(
        "--state-dict",
        metavar="KEY",
        help="which weights of a file that holds several, such as ema",
    )


def model_of(options: argparse.Namespace, *, fast: bool = True) -> ResNet50FineTuned | CAM:
    """Load the model that the options name, and print the assumptions to stderr.

    Args:
        options: the parsed options of `add_model`.
        fast: whether OpenVINO or lower precision may be used if that is faster.

    Raises:
        CheckpointError: the weights cannot be read, or do not fit the network.
    """
    return load_described(options.weights, options, fast=fast)


def models_of(
    options: argparse.Namespace, environ: Mapping[str, str]
) -> dict[str, ResNet50FineTuned | CAM]:
    """Load the models that the options, or else the environment, name.

    Args:
        options: the parsed options of `add_models`.
        environ: the environment variables of the process.

    Returns:
        {name: model}; a name is that of the weights unless it was given.

    Raises:
        CheckpointError: weights cannot be read, or do not fit the network.
        ValueError: two models have the same name, or one description is given for several models.
    """
    sources = options.model or _names(environ.get(VARIABLE, "")) or [None]
    if len(sources) > 1 and any(value is not None for value in description(options).values()):
        raise ValueError(
            "--classes, --input-size and the like describe one model: convert the others first "
            "(python -m cxr_gradcam convert), which writes it into their files"
        )
    models: dict[str, ResNet50FineTuned | CAM] = {}
    for text in sources:
        name, source = _named(text)
        model = load_described(source, options)
        name = name or (model.provenance.name if model.provenance else "model")
        if name in models:
            raise ValueError(f"two models are called {name}: name them, as --model new={source}")
        models[name] = model
    return models


def load_described(
    source: str | None, options: argparse.Namespace, *, fast: bool = True
) -> ResNet50FineTuned | CAM:
    """Load weights with the options of `add_description`; None for the bundled ones."""
    said = description(options)
    if source is None and all(value is None for value in said.values()):
        return ResNet50FineTuned.from_checkpoint(fast=fast)
    from cxr_gradcam.models.importing import load_model  # not needed for the bundled weights

    model = load_model("bundled" if source is None else source, **said, fast=fast)
    for line in remarks(model):
        print(f"note: {line}", file=sys.stderr)
    return model


def remarks(model: Classifier) -> list[str]:
    """Return sentences for the user on assumptions and missing calibration."""
    lines = []
    if model.assumptions:
        name = model.provenance.name if model.provenance else "the model"
        lines.append(f"{name}: {'; '.join(model.assumptions)}. Options say otherwise")
    if not model.calibration.is_fitted:
        lines.append("nothing is calibrated: the percentages are no probabilities of disease")
    return lines


def description(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `add_description` as arguments for `load_model`."""
    return {
        "class_names": options.classes,
        "architecture": options.architecture,
        "state_dict": options.state_dict,
        "input_size": options.input_size,
        "mean": options.mean,
        "std": options.std,
        "multi_label": options.multi_label,
    }


def _named(text: str | None) -> tuple[str, str | None]:
    """Split NAME=SOURCE; a path may contain an equals sign."""
    name, equals, source = (text or "").partition("=")
    if not equals or "/" in name or ":" in name or Path(text or "").exists():
        return "", text
    return name.strip(), source.strip()


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} are no numbers: write one, or one per channel, as 0.485,0.456,0.406"
        ) from None


def sources_are_named(words: Sequence[str]) -> bool:
    """Return whether the first of several words names weights, not a folder of radiographs."""
    libraries = ("hf:", "torchvision:", "timm:", "torchxrayvision:")
    return bool(words) and (words[0].startswith(libraries) or words[0].endswith(WEIGHTS))
