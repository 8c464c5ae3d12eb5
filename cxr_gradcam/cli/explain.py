"""`explain`: classify radiographs and save their maps."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress as ProgressBar

from cxr_gradcam.batch.files import Export, explain_files
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.cli.options import (
    FAILED,
    FAILED_SOME,
    add_json,
    add_weights,
    complain,
    require_archive,
)
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.imaging.rendering import COLORMAPS
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.models.stages import DETAIL, SHOWN_FIRST
from cxr_gradcam.question import Question

_METHOD_HELP = "; ".join(f"{name}: {method.summary}" for name, method in METHODS.items())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="default: the predicted")
    parser.add_argument("--rather-than", metavar="NAME", help="why the class and not this one")
    parser.add_argument(
        "--against", action="store_true", help="what speaks against the class, not for it"
    )
    parser.add_argument(
        "--method", choices=METHODS, default="gradcam", metavar="NAME", help=_METHOD_HELP
    )
    parser.add_argument(
        "--detail", choices=DETAIL, default=SHOWN_FIRST, help="default: %(default)s"
    )
    parser.add_argument(
        "--fusion", choices=("mean", "max"), default="mean", help="of the layers of a finer detail"
    )
    parser.add_argument(
        "--fast",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="OpenVINO or lower precision where that is faster",
    )
    parser.add_argument("--alpha", type=float, default=0.5, help="opacity of the map, 0 to 1")
    parser.add_argument("--colormap", choices=tuple(COLORMAPS), default="jet")
    parser.add_argument(
        "--dicom",
        action="store_true",
        help="for DICOM files: also pictures, map and report as DICOM, in the patient's study",
    )
    add_weights(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.rather_than is not None and options.class_name is None:
        raise ValueError("--rather-than compares two classes: name the first by --class")
    question = Question(
        options.class_name,
        options.method,
        options.rather_than,
        options.against,
        DETAIL[options.detail],
        options.fusion,
    )
    with _step_progress(options.method) as progress:
        records = explain_files(
            ResNet50FineTuned.from_checkpoint(options.weights, fast=options.fast),
            options.files,
            options.output,
            question,
            alpha=options.alpha,
            colormap=options.colormap,
            progress=progress,
            also=_dicom_results(options) if options.dicom else None,
        )
        return _report_all(records, options)


def _dicom_results(options: argparse.Namespace) -> Export:
    require_archive()
    from cxr_gradcam.archive.identity import Algorithm
    from cxr_gradcam.archive.results import write_results

    algorithm = Algorithm.of_weights(options.weights)

    def write(file: Path, radiograph: Radiograph, explanation: Explanation) -> dict[str, Path]:
        data = file.read_bytes()
        made = write_results(options.output, data, radiograph, explanation, algorithm)
        return {f"dicom-{kind}": path for kind, path in made.items()}

    return write


@contextmanager
def _step_progress(method: str) -> Iterator[Progress]:
    """Show on a terminal how far a slow method is."""
    console = Console(stderr=True)
    shown = METHODS[method].is_slow and console.is_terminal
    with ProgressBar(console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(METHODS[method].label)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _report_all(records: Iterable[dict[str, Any]], options: argparse.Namespace) -> int:
    failures = 0
    for record in records:
        failures += _report(record, as_json=options.json)
    if failures and len(options.files) == 1:
        return FAILED
    return FAILED_SOME if failures else 0


def _report(record: dict[str, Any], *, as_json: bool) -> bool:
    """Print what became of one file; say whether it failed."""
    failed = "error" in record
    if failed:
        complain(f"{record['file']}: {record['error']}")
    if as_json:
        print(json.dumps(record), flush=True)
    elif not failed:
        name, share = max(record["probabilities"].items(), key=lambda item: item[1])
        said = name if record["predicted_class"] is not None else f"no finding, {name}"
        print(f"{record['file']}: {said} {share:.1%}{_remark(record)}")
    return failed


def _remark(record: dict[str, Any]) -> str:
    if record["is_familiar"] is False:
        return " (unlike the X-rays that the model was trained on: do not rely on it)"
    return "" if record["verdict"] is None else f" ({record['finding']} {record['verdict']})"
