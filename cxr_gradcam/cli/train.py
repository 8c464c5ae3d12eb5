"""`train`: train a model on folders of radiographs."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from cxr_gradcam.cli.options import add_sources, training_sources
from cxr_gradcam.training.recipe import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_sources(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument(
        "--weights",
        "--model",
        metavar="SOURCE",
        help="the initial weights: bundled, IMAGENET1K_V1 or IMAGENET1K_V2 (torchvision's), a "
        "file, or hf://owner/name; default: random",
    )
    parser.add_argument(
        "--network", metavar="NAME", help="timm:NAME or torchvision:NAME, instead of the ResNet50"
    )
    parser.add_argument(
        "--teacher",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE.safetensors",
        help="weights that train wrote: learn their answers and features too",
    )
    parser.add_argument(
        "--source", default="", metavar="TEXT", help="where the X-rays come from, and their licence"
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
        training_sources(options),
        options.output,
        recipe,
        weights=options.weights,
        network=options.network,
        teachers=options.teacher,
        source=options.source,
    )
    print(f"{options.output}: validation AUC {figures['validation_auc']:.4f}")
    return 0
