"""`train-lungs`: train the network that outlines the lungs."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from cxr_gradcam.cli.options import add_patients, patient_rules
from cxr_gradcam.training.lungs.trainer import LungRecipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "data", nargs="+", type=Path, metavar="DATA", help="a folder with one of X-rays per class"
    )
    parser.add_argument(
        "--cut-outs",
        nargs="+",
        type=Path,
        required=True,
        metavar="DATA",
        help="lungs alone on black, with the names of the X-rays",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument(
        "--left-out",
        type=Path,
        metavar="CSV",
        help="its column patient names those that nothing is learnt from",
    )
    parser.add_argument(
        "--source", default="", metavar="TEXT", help="where the pictures come from, their licence"
    )
    add_patients(parser)
    for field in fields(LungRecipe):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=type(field.default),
            default=field.default,
            help="default: %(default)s",
        )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from cxr_gradcam.data.tables import load_patients
    from cxr_gradcam.training.lungs.trainer import train_lungs

    figures = train_lungs(
        options.data,
        options.cut_outs,
        options.output,
        LungRecipe(**{field.name: getattr(options, field.name) for field in fields(LungRecipe)}),
        left_out=() if options.left_out is None else load_patients(options.left_out),
        rules=patient_rules(options),
        source=options.source,
    )
    print(f"{options.output}: validation Dice {figures['validation_dice']:.4f}")
    return 0
