"""`export`: write a model as one ONNX file, for programs without torch."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from cxr_gradcam.cli.weights import add_model, model_of
from cxr_gradcam.models.initial_weights import BUNDLED

BUNDLED_LICENCE = "Apache-2.0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("output", type=Path, metavar="OUT.onnx", help="the file to write")
    add_model(parser)
    parser.add_argument(
        "--detail",
        choices=("coarse", "fine", "finest"),
        help="detail of the maps; default: fine where the model has it",
    )
    parser.add_argument(
        "--half", action="store_true", help="store the weights in 16 bits: half the size"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    missing = [name for name in ("onnx", "openvino") if find_spec(name) is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing: pip install 'cxr-gradcam[export]'")
    from cxr_gradcam.models.graph.export import export

    model = model_of(options, fast=False)
    licence = BUNDLED_LICENCE if options.weights in (None, BUNDLED) else ""
    difference = export(
        model, options.output, detail=options.detail, half=options.half, licence=licence
    )
    print(f"{options.output}: {options.output.stat().st_size / 1e6:.0f} MB")
    print(f"classes: {', '.join(model.class_names)}")
    print(f"logits and maps differ from the network's by {difference:.2g} of their maximum")
    return 0
