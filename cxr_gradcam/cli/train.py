"""`train`: train a model on folders of radiographs."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from cxr_gradcam.cli.options import add_sources
from cxr_gradcam.training.recipe import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_sources(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--weights", metavar="SOURCE", help="start from these, not from random")
    parser.add_argument(
        "--source", default="", metavar="TEXT", help="where the pictures come from, their licence"
    )
    for field in fields(Recipe):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(field.default),
            default=field.default,
            help="default: %(default)s",
        )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from cxr_gradcam.training.trainer import train

    recipe = Recipe(**{field.name: getattr(options, field.name) for field in fields(Recipe)})
    figures = train(
        options.data,
        options.output,
        recipe,
        noisy=options.noisy,
        weights=options.weights,
        source=options.source,
        patient_pattern=options.patient_pattern,
    )
    print(f"{options.output}: validation AUC {figures['validation_auc']:.4f}")
    return 0
