"""`demo`: the model without and with Grad-CAM, the overlay, and the figure of three panels."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console

from cxr_gradcam.bundled import example_files
from cxr_gradcam.explanation import explain
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.imaging.rendering import as_rgb, three_panels
from cxr_gradcam.models.resnet50 import ResNet50FineTuned


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: an example")
    parser.add_argument("--output", type=Path, default=Path("outputs/demo.png"), metavar="FIGURE")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    run_demo(options.output, options.file)
    return 0


def run_demo(output: Path, file: Path | None = None) -> None:
    """Show what the model offers, step by step, and save a figure.

    Args:
        output: the figure to write; its suffix says the format.
        file: a radiograph; None for an example of the package.

    Raises:
        RadiographError: the file cannot be read.
        CheckpointError: the bundled weights cannot be read.
    """
    say = Console(highlight=False).print
    radiograph = read_radiograph(file or example_files()[-1])
    model = ResNet50FineTuned.from_checkpoint(enable_gradcam=False)
    x = model.preprocessing.prepare(radiograph)

    with torch.no_grad():
        logits = model(x)
    say("1. Plain prediction:", _percentages(model, logits))

    model.enable_gradcam_mode()
    with torch.no_grad():
        logits, heatmap = model(x, return_gradcam=True)
    say("2. Prediction with map:", _percentages(model, logits), f"- map {tuple(heatmap.shape)}")

    pictures = model.get_gradcam_overlay(x, as_rgb(radiograph.pixels), alpha=0.5)
    say("3. Overlay:", *(f"{picture.shape} {picture.dtype}" for picture in pictures or ()))

    model.disable_gradcam_mode()
    say("4. Grad-CAM off:", "overlay is", model.get_gradcam_overlay(x))
    model.enable_gradcam_mode()
    explanation = explain(model, radiograph)
    say("   and on again: evidence", str(explanation.question))

    title = f"Evidence {explanation.question} ({_percentages(model, logits)})"
    figure = three_panels(as_rgb(radiograph.pixels), explanation.heatmap, title)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=150)
    say(f"Three panels saved as {output}")


def _percentages(model: ResNet50FineTuned, logits: torch.Tensor) -> str:
    shares = logits[0].softmax(dim=0).tolist()
    return ", ".join(
        f"{name} {share:.1%}" for name, share in zip(model.class_names, shares, strict=True)
    )
