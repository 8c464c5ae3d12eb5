"""The command line: explain, train, evaluate, demo."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress as ProgressBar
from rich.table import Table

from cxr_gradcam.batch.files import explain_files
from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.cli.demo import run_demo
from cxr_gradcam.data.image_folder import PATIENT_PATTERN
from cxr_gradcam.evaluation import studies as trust
from cxr_gradcam.evaluation.classification import predict, summarize
from cxr_gradcam.evaluation.metrics import as_text
from cxr_gradcam.evaluation.model_card import model_card
from cxr_gradcam.evaluation.plots import write_report
from cxr_gradcam.imaging.rendering import COLORMAPS
from cxr_gradcam.models.checkpoint import checksum
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.models.stages import DETAIL, SHOWN_FIRST
from cxr_gradcam.question import Question
from cxr_gradcam.training.calibrate import calibrate
from cxr_gradcam.training.trainer import Recipe, train

FAILED_SOME, FAILED = 1, 2

_MEASURES = {
    "localisation": "how well the maps find a lesion whose place is known",
    "faithfulness": "deletion and insertion: whether the answer rests on what the maps show",
    "sanity": "whether the maps change when what the model learnt is destroyed",
    "outliers": "how many pictures that are no frontal chest X-rays are noticed",
}

_METHOD_HELP = "; ".join(f"{name}: {method.summary}" for name, method in METHODS.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the words after the program's name; None for those of the process.

    Returns:
        The exit status: 0; 1 where some of several files failed; 2 where the command failed.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ValueError, OSError) as error:
        return _complain(str(error))


def _complain(message: str) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cxr_gradcam", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_explain(commands.add_parser("explain", help="classify radiographs and save their maps"))
    _add_train(commands.add_parser("train", help="train a model on folders of radiographs"))
    _add_calibrate(commands.add_parser("calibrate", help="fit probabilities to validation images"))
    _add_evaluate(commands.add_parser("evaluate", help="measure a model on folders of radiographs"))
    _add_model_card(commands.add_parser("model-card", help="write the bundled weights' card"))
    _add_demo(commands.add_parser("demo", help="show what the package does, on an example"))
    return parser


def _add_explain(parser: argparse.ArgumentParser) -> None:
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
    _add_weights(parser)
    _add_json(parser)
    parser.set_defaults(run=_explain)


def _add_train(parser: argparse.ArgumentParser) -> None:
    _add_sources(parser)
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
    parser.set_defaults(run=_train)


def _add_calibrate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="FILE.safetensors", help="of train")
    _add_sources(parser)
    parser.set_defaults(run=_calibrate)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", nargs="+", type=Path, metavar="DATA", help="a source's folder, with one per class"
    )
    parser.add_argument(
        "--noisy",
        nargs="+",
        type=Path,
        default=[],
        metavar="DATA",
        help="further sources, whose labels are often wrong",
    )
    _add_patient_pattern(parser)


def _add_patient_pattern(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--patient-pattern",
        default=PATIENT_PATTERN,
        metavar="REGEX",
        help="its first group names the patient in a file name",
    )


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        nargs="*",
        metavar="DATA",
        help="a source's folder, with one per class; in front of them the weights, if not given",
    )
    parser.add_argument("--report", type=Path, metavar="DIR", help="write figures and curves")
    measure = parser.add_mutually_exclusive_group()
    for name, text in _MEASURES.items():
        measure.add_argument(
            f"--{name}", dest="measure", action="store_const", const=name, help=text
        )
    parser.add_argument(
        "--count", type=int, default=100, help="X-rays for these measures; default: %(default)s"
    )
    parser.add_argument(
        "--boxes", type=Path, metavar="CSV", help="of --localisation: image,finding,x,y,w,h"
    )
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="of --boxes; default: the folder of the CSV"
    )
    _add_patient_pattern(parser)
    _add_weights(parser)
    _add_json(parser)
    parser.set_defaults(run=_evaluate)


def _add_model_card(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, default=Path("docs/model-card.md"), metavar="FILE")
    parser.set_defaults(run=_model_card)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: an example")
    parser.add_argument("--output", type=Path, default=Path("outputs/demo.png"), metavar="FIGURE")
    parser.set_defaults(run=_demo)


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights", metavar="SOURCE", help="a .safetensors file or hf://owner/name"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _explain(options: argparse.Namespace) -> int:
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
        )
        return _report_all(records, options)


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
        _complain(f"{record['file']}: {record['error']}")
    if as_json:
        print(json.dumps(record), flush=True)
    elif not failed:
        share = record["probabilities"][record["predicted_class"]]
        print(f"{record['file']}: {record['predicted_class']} {share:.1%}{_remark(record)}")
    return failed


def _remark(record: dict[str, Any]) -> str:
    if record["is_familiar"] is False:
        return " (unlike the X-rays that the model was trained on: do not rely on it)"
    return "" if record["verdict"] is None else f" ({record['finding']} {record['verdict']})"


def _train(options: argparse.Namespace) -> int:
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


def _calibrate(options: argparse.Namespace) -> int:
    calibration, detector = calibrate(
        options.checkpoint,
        options.data,
        noisy=options.noisy,
        patient_pattern=options.patient_pattern,
    )
    point = calibration.operating_point
    assert point is not None  # calibrate chooses one  # noqa: S101
    print(
        f"{options.checkpoint}: temperature {calibration.temperature:.2f}; {point.class_name} "
        f"called from {point.threshold:.1%}, unlikely below {point.unlikely_below:.1%}, likely "
        f"from {point.likely_from:.1%}; familiar up to {detector.threshold:.2f}"
    )
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    weights, data = _weights_and_folders(options)
    model = ResNet50FineTuned.from_checkpoint(weights)
    origin = {"weights_sha256": checksum(weights)}
    if options.measure is not None:
        return _show(origin | _measure(model, data, options), as_json=options.json)
    if not data:
        raise ValueError("no folder of radiographs is named: give one with a folder per class")
    predictions = predict(model, data, options.patient_pattern)
    summary = origin | summarize(predictions)
    if options.report is not None:
        write_report(options.report, predictions, summary)
    if options.json:
        print(json.dumps(summary))
    else:
        for name, finding in summary["findings"].items():
            Console().print(_table(name, finding))
    return 0


def _weights_and_folders(options: argparse.Namespace) -> tuple[str | Path, list[Path]]:
    """Take a first argument that names weights for them."""
    weights, data = options.weights, options.data
    if weights is None and data and data[0].startswith("hf://") | data[0].endswith(".safetensors"):
        weights, *data = data
    return weights or bundled_checkpoint(), [Path(folder) for folder in data]


def _measure(
    model: ResNet50FineTuned, data: list[Path], options: argparse.Namespace
) -> dict[str, Any]:
    if options.count < 1:
        raise ValueError(f"--count {options.count}: one X-ray at least is needed")
    if options.measure == "localisation":
        return trust.localization(model, options.count, options.boxes, options.images)
    if options.measure == "outliers" and not data:
        raise ValueError("--outliers compares with X-rays: name a folder with a folder per class")
    measure = getattr(trust, options.measure)
    return measure(model, data, options.count)  # type: ignore[no-any-return]


def _show(result: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(result))
        return 0
    table = Table(*result["rows"][0], title=result["title"], caption=result["about"])
    for row in result["rows"]:
        table.add_row(*(_cell(value) for value in row.values()))
    Console().print(table)
    return 0


def _cell(value: object) -> str:
    return as_text(value) if isinstance(value, dict) else str(value)


def _table(name: str, finding: dict[str, Any]) -> Table:
    figures = ("auc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "ece")
    groups = finding["groups"]
    table = Table("", *groups, title=name, caption="in brackets: 95 % interval over patients")
    for count in ("images", "patients"):
        table.add_row(count, *(str(group[count]) for group in groups.values()))
    for figure in figures:
        shown = (as_text(group[figure]) if figure in group else "-" for group in groups.values())
        table.add_row(figure, *shown)
    return table


def _model_card(options: argparse.Namespace) -> int:
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(model_card(), encoding="utf-8")
    return 0


def _demo(options: argparse.Namespace) -> int:
    run_demo(options.output, options.file)
    return 0
