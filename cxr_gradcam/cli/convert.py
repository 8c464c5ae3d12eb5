"""`convert`: write any weights as a file whose header describes them completely."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cxr_gradcam.cli.weights import SOURCE, add_description, description, remarks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("source", metavar="OLD", help=SOURCE)
    parser.add_argument(
        "--output", type=Path, required=True, metavar="NEW.safetensors", help="the new file"
    )
    add_description(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    from cxr_gradcam.models.importing.converting import convert

    made = convert(options.source, options.output, **description(options))
    model = made.model
    how, known = model.preprocessing, model.provenance
    print(f"{options.output}: {known.architecture if known else 'network'}")
    print(f"classes: {', '.join(model.class_names)}")
    print(f"several at once: {'yes' if model.multi_label else 'no'}")
    print(f"input: {how.size} pixels, mean {_listed(how.mean)}, std {_listed(how.std)}")
    print(f"largest difference of the logits before and after: {made.difference:.3g}")
    for line in remarks(model):
        print(f"note: {line}", file=sys.stderr)
    return 0


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)
