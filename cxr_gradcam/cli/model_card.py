"""`model-card`: write the bundled weights' card."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("docs/model-card.md"),
        metavar="FILE",
        help="the file to write; default: %(default)s",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from cxr_gradcam.evaluation.model_card import model_card_file

    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(model_card_file(), encoding="utf-8")
    return 0
