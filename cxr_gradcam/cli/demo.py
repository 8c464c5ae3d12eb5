"""`demo`: the model without and with Grad-CAM, the overlay, and the figure of three panels."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console

from cxr_gradcam.bundled import example_files
from cxr_gradcam.cli.weights import add_model, model_of
from cxr_gradcam.explanation import explain
from cxr_gradcam.explanation.prediction import Prediction
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.imaging.rendering import as_rgb
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.resnet50 import ResNet50FineTuned


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="a radiograph; default: an example"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("outputs/demo.png"),
        metavar="PICTURE",
        help="the picture to write; default: %(default)s",
    )
    add_model(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    run_demo(options.output, options.file, model_of(options))
    return 0


def run_demo(
    output: Path, file: Path | None = None, model: ResNet50FineTuned | CAM | None = None
) -> None:
    """Show the use of a model, step by step, and save a figure.

    Args:
        output: the figure to write; its suffix determines the format.
        file: a radiograph; None for a bundled example.
        model: the model; None for the bundled weights.

    Raises:
        RadiographError: the file cannot be read.
        CheckpointError: the bundled weights cannot be read.
    """
    radiograph = read_radiograph(file or example_files()[-1])
    shown = ResNet50FineTuned.from_checkpoint() if model is None else model
    if isinstance(shown, ResNet50FineTuned):
        _show_module(shown, radiograph)
    explanation = explain(shown, radiograph)
    _say(
        "Explained:",
        _percentages(explanation.prediction),
        "- evidence",
        str(explanation.question),
    )
    figure = explanation.figure()
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=150)
    _say(f"Three panels saved as {output}")


def _show_module(model: ResNet50FineTuned, radiograph: Radiograph) -> None:
    """Show the steps of the PyTorch module: with Grad-CAM off, on, and as an overlay."""
    x = model.prepare(radiograph)
    model.disable_gradcam_mode()
    with torch.no_grad():
        logits = model(x)
    _say("1. Plain prediction: logits", _numbers(logits))

    model.enable_gradcam_mode()
    with torch.no_grad():
        logits, heatmap = model(x, return_gradcam=True)
    _say("2. Prediction with map:", _numbers(logits), f"- map {tuple(heatmap.shape)}")

    pictures = model.get_gradcam_overlay(x, as_rgb(radiograph.pixels), alpha=0.5)
    _say("3. Overlay:", *(f"{picture.shape} {picture.dtype}" for picture in pictures or ()))

    model.disable_gradcam_mode()
    _say("4. Grad-CAM off:", "overlay is", model.get_gradcam_overlay(x))
    model.enable_gradcam_mode()


def _say(*words: object) -> None:
    Console(highlight=False).print(*words)


def _numbers(logits: torch.Tensor) -> str:
    return ", ".join(f"{value:.2f}" for value in logits[0].tolist())


def _percentages(prediction: Prediction) -> str:
    names = sorted(prediction.probabilities, key=prediction.probabilities.__getitem__)[::-1][:5]
    said = ", ".join(f"{name} {prediction.probabilities[name]:.1%}" for name in names)
    more = len(prediction.probabilities) - len(names)
    return said + (f" and {more} more" if more else "")
