"""`train`: train a model on folders of radiographs."""

from __future__ import annotations

import argparse
from pathlib import Path

from cxr_gradcam.cli.options import add_recipe, add_sources, recipe_of, training_sources
from cxr_gradcam.training.recipe import Recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_sources(parser)
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
        help="weights that train wrote, whose answers and features are learnt too",
    )
    add_recipe(parser, Recipe)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from cxr_gradcam.training.trainer import train

    figures = train(
        training_sources(options),
        options.output,
        recipe_of(options, Recipe),
        weights=options.weights,
        network=options.network,
        teachers=options.teacher,
        source=options.source,
    )
    print(f"{options.output}: validation AUC {figures['validation_auc']:.4f}")
    return 0
