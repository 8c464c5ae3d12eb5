"""`train-lungs`: train the network that outlines the lungs."""

from __future__ import annotations

import argparse
from pathlib import Path

from cxr_gradcam.cli.options import add_left_out, add_patients, add_recipe, patient_rules, recipe_of
from cxr_gradcam.training.lungs.trainer import LungRecipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "data",
        nargs="+",
        type=Path,
        metavar="DATA",
        help="a folder with one folder of X-rays per class",
    )
    parser.add_argument(
        "--cut-outs",
        nargs="+",
        type=Path,
        required=True,
        metavar="DATA",
        help="folders of lungs cut out on black, with the file names of the X-rays",
    )
    add_left_out(parser)
    add_patients(parser)
    add_recipe(parser, LungRecipe)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from cxr_gradcam.data.tables import load_patients
    from cxr_gradcam.training.lungs.trainer import train_lungs

    figures = train_lungs(
        options.data,
        options.cut_outs,
        options.output,
        recipe_of(options, LungRecipe),
        left_out=() if options.left_out is None else load_patients(options.left_out),
        rules=patient_rules(options),
        source=options.source,
    )
    print(f"{options.output}: validation Dice {figures['validation_dice']:.4f}")
    return 0
