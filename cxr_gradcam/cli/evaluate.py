"""`evaluate`: measure a model, its maps and its detector on folders of radiographs."""

from __future__ import annotations

import argparse
import json
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cxr_gradcam.cli.options import (
    DATA_HELP,
    READS_HELP,
    add_json,
    add_patients_and_finding,
    patient_rules,
)
from cxr_gradcam.cli.weights import add_model, load_described, model_of, sources_are_named
from cxr_gradcam.data.patients import print_notes
from cxr_gradcam.data.selection import Selection
from cxr_gradcam.evaluation.intervals import as_text
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

_OF_RESNET50 = ("sanity", "outliers")

GROUPS_A_TABLE = 3
"""The number of columns that fit into a terminal of 80 characters."""

_STUDIES = {
    "localisation": ("localization", "how well the maps find a lesion whose place is known"),
    "faithfulness": (
        "faithfulness",
        "deletion and insertion: whether the answer rests on what the maps show",
    ),
    "sanity": ("sanity", "whether the maps change when what the model learnt is destroyed"),
    "outliers": ("ood", "how many pictures that are no frontal chest X-rays are noticed"),
    "trust": (
        "trust.summary",
        "how far the maps deserve belief: the tests of Arun et al., ROAD, ARCC",
    ),
    "cover": (
        "trust.covering",
        "what covering a place does to the answer, on synthetic chests with healthy twins",
    ),
    "steadiness": (
        "trust.steadiness",
        "how far answers and maps move under sixteen small changes, by method and detail",
    ),
    "outlines": (
        "trust.outlines",
        "how well the lungs are outlined, and an opacity's zone is named",
    ),
    "called": (
        "trust.called",
        "what place, steadiness and covering tell of the answers that call the finding",
    ),
    "shortcuts": (
        "shortcuts",
        "what the answer tells of source, projection, age, border, marker, size and compression",
    ),
}
"""{option: (module of `cxr_gradcam.evaluation`, subject of the study)}."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "data",
        nargs="*",
        metavar="DATA",
        help=f"{DATA_HELP}; the weights may stand in front, instead of --model",
    )
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="folder for plots, or for pictures of outlines"
    )
    study = parser.add_mutually_exclusive_group()
    for name, (_, text) in _STUDIES.items():
        names = [f"--{name}", "--localization"] if name == "localisation" else [f"--{name}"]
        study.add_argument(*names, dest="study", action="store_const", const=name, help=text)
    parser.add_argument(
        "--count",
        type=int,
        default=100,
        help="number of X-rays in these studies; default: %(default)s",
    )
    parser.add_argument("--reads", nargs="+", type=Path, default=[], metavar="CSV", help=READS_HELP)
    parser.add_argument(
        "--only",
        type=Path,
        metavar="CSV",
        help="a CSV whose column patient names the patients to evaluate; a source without any of "
        "them is evaluated whole",
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="CSV",
        help="for --localisation: a table image,finding,x,y,w,h",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of the images of --boxes; default: that of the CSV",
    )
    parser.add_argument(
        "--other",
        metavar="MODEL",
        help="for --trust: weights of another training for the same task, whose maps should agree",
    )
    parser.add_argument(
        "--lungs",
        type=Path,
        metavar="DATA",
        help="lungs cut out of the X-rays of DATA, with their file names: for --localisation, "
        "which measures how much of the maps lies in them, and for --outlines",
    )
    add_patients_and_finding(parser)
    add_model(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    options.weights, data = _weights_and_folders(options)
    model = model_of(options)
    origin = _origin(model)
    if options.study is not None:
        return _show_study(origin | _study(model, data, options), as_json=options.json)
    if not data:
        raise ValueError(
            "no folder of radiographs is named: give one that holds a folder per class, such as "
            "NORMAL and PNEUMONIA"
        )
    summary = _summary(model, data, origin, options)
    if options.json:
        print(json.dumps(summary))
    else:
        for name, finding in summary["findings"].items():
            groups = list(finding["groups"].items())
            for start in range(0, len(groups), GROUPS_A_TABLE):
                Console().print(_table(name, dict(groups[start : start + GROUPS_A_TABLE])))
    return 0


def _weights_and_folders(options: argparse.Namespace) -> tuple[str | None, list[Path]]:
    """Return the weights, which may be the first argument, and the folders."""
    weights, data = options.weights, options.data
    if weights is None and sources_are_named(data):
        weights, *data = data
    return weights, [Path(folder) for folder in data]


def _origin(model: Classifier) -> dict[str, Any]:
    """Return which weights were evaluated and when, and the assumptions about them."""
    known = model.provenance
    origin: dict[str, Any] = {
        "date": date.today().isoformat(),
        "weights_sha256": known.sha256 if known else None,
    }
    return origin | ({"assumptions": list(model.assumptions)} if model.assumptions else {})


def _summary(
    model: Classifier,
    data: list[Path],
    origin: dict[str, Any],
    options: argparse.Namespace,
) -> dict[str, Any]:
    from cxr_gradcam.evaluation.classification import summarize
    from cxr_gradcam.evaluation.predictions import predict

    predictions = predict(model, _selection(data, options))
    print_notes(predictions.notes)
    summary = origin | summarize(predictions)
    if options.report is not None:
        from cxr_gradcam.evaluation.plots import write_report

        write_report(options.report, predictions, summary)
    return summary


def _selection(data: list[Path], options: argparse.Namespace) -> Selection:
    return Selection(data, options.reads, options.only, patient_rules(options), options.finding)


def _study(model: Classifier, data: list[Path], options: argparse.Namespace) -> dict[str, Any]:
    if options.study in _OF_RESNET50 and not isinstance(model, ResNet50FineTuned):
        raise ValueError(
            f"--{options.study} works with the package's ResNet50 alone, and these weights are of "
            "another network: use --faithfulness, --localisation or --shortcuts"
        )
    if options.count < 1:
        raise ValueError(f"--count is {options.count}: it must be 1 or more")
    if options.study in ("outliers", "shortcuts", "called") and not data:
        raise ValueError(
            f"--{options.study} needs X-rays: name a folder that holds a folder per class"
        )
    module = import_module(f"cxr_gradcam.evaluation.{_STUDIES[options.study][0]}")
    if options.study == "localisation":
        places = {"data": data, "lungs": options.lungs, "named": options.finding}
        return dict(module.study(model, options.count, options.boxes, options.images, **places))
    if options.study == "outlines":
        places = {"cut_outs": options.lungs, "only": options.only, "report": options.report}
        return dict(module.study(options.count, data, patient_rules(options), **places))
    if options.study == "trust":
        other = None if options.other is None else load_described(options.other, options)
        return dict(module.study(model, data, options.count, other, options.finding))
    if options.study == "cover":
        return dict(module.study(model, options.count, options.finding))
    if options.study in ("called", "shortcuts"):
        return dict(module.study(model, _selection(data, options), options.count))
    return dict(module.study(model, data, options.count))


def _show_study(result: dict[str, Any], *, as_json: bool) -> int:
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


def _table(name: str, groups: dict[str, Any]) -> Table:
    figures = ("auc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "ece")
    table = Table("", *groups, title=name, caption="in brackets: 95 % interval over patients")
    for count in ("images", "patients"):
        table.add_row(count, *(str(group[count]) for group in groups.values()))
    for figure in figures:
        shown = (as_text(group[figure]) if figure in group else "-" for group in groups.values())
        table.add_row(figure, *shown)
    return table
