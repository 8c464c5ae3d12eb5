"""The outputs of `explain` for each file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cxr_gradcam.atomic_files import atomic_files
from cxr_gradcam.batch.checks import Covering, steadiness_record
from cxr_gradcam.batch.pictures import Drawn, Export, Pictures
from cxr_gradcam.cli.options import complain
from cxr_gradcam.cli.question import add_fields
from cxr_gradcam.explanation.covering import IN_WORDS, read_place
from cxr_gradcam.explanation.display import DISPLAY_FIELDS, Display
from cxr_gradcam.extras import require
from cxr_gradcam.imaging.rendering import as_rgb
from cxr_gradcam.imaging.stored_values import AS_SEEN
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.report.contents import Panels, Report, check_typed
from cxr_gradcam.report.letters import check_letters
from cxr_gradcam.report.model import ReportedModel
from cxr_gradcam.report.pdf import PAPERS, write_pdf


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the options of the output folder, the files in it, and the display."""
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the pictures")
    add_fields(parser, DISPLAY_FIELDS)
    parser.add_argument(
        "--dicom",
        action="store_true",
        help="for DICOM files: also write pictures, map and report as DICOM of the patient's study",
    )
    parser.add_argument(
        "--cover",
        metavar="PLACE",
        help=f"also explain the radiograph with a place covered: x,y,w,h in pixels, "
        f"{' or '.join(IN_WORDS)}",
    )
    parser.add_argument(
        "--steadiness",
        action="store_true",
        help="also measure how much answer and map change under sixteen small changes of the "
        "radiograph; steady does not mean right",
    )
    parser.add_argument(
        "--report",
        nargs="?",
        const="pdf",
        choices=("pdf", "json"),
        help="also write a report with the three panels and the answer; default: pdf",
    )
    parser.add_argument("--paper", choices=tuple(PAPERS), default="a4", help="paper of the report")
    parser.add_argument("--title", default="", help="title of the report")
    parser.add_argument("--remark", default="", help="text that the report shows")


def check_outputs(options: argparse.Namespace) -> None:
    """Raise an error for options that cannot be combined.

    Raises:
        ValueError: an option needs another one, no place is named, or title or remark is too long
            or has letters that the font of the PDF lacks.
    """
    if options.dicom and options.output is None:
        raise ValueError("--dicom saves results as files: name a folder by --output")
    for name in ("cover", "steadiness"):
        if getattr(options, name) and options.output is None:
            raise ValueError(f"--{name} asks more of each X-ray: name a folder by --output")
    if options.cover is not None:
        read_place(options.cover)
    if options.report is None:
        for name in ("title", "remark"):
            if getattr(options, name):
                raise ValueError(f"--{name} stands in a report: add --report")
        return
    if options.output is None:
        raise ValueError("--report saves a file beside the pictures: name a folder by --output")
    check_typed(options.title, options.remark)
    if options.report == "pdf":
        check_letters(title=options.title, remark=options.remark)


def pictures_of(options: argparse.Namespace, model: Classifier, display: Display) -> Pictures:
    """Return the pictures to save of each file.

    Args:
        options: options of `add_outputs`, with an output folder.
        model: the model.
        display: how the map is overlaid on the radiograph.

    Raises:
        ValueError: results as DICOM need packages that are not installed, or known weights.
    """
    also: list[Export] = [_dicom_results(options, model)] if options.dicom else []
    if options.cover is not None:
        also.append(Covering(model, read_place(options.cover), display))
    if options.steadiness:
        also.append(partial(steadiness_record, model))
    if options.report is not None:
        also.append(partial(_write_report, options, ReportedModel.of_model(model), display))
    return Pictures(options.output, display, also)


def _dicom_results(options: argparse.Namespace, model: Classifier) -> Export:
    require("archive", "--dicom")
    from cxr_gradcam.archive.identity import Algorithm
    from cxr_gradcam.archive.results import write_results

    algorithm = Algorithm.of_model(model)

    def write(drawn: Drawn) -> dict[str, Any]:
        made = write_results(
            options.output, drawn.data, drawn.radiograph, drawn.explanation, algorithm
        )
        return {"outputs": {f"dicom-{kind}": path for kind, path in made.items()}}

    return write


def _write_report(
    options: argparse.Namespace, model: ReportedModel, display: Display, drawn: Drawn
) -> Mapping[str, Any]:
    original = as_rgb(drawn.radiograph.pixels)
    panels = Panels(
        original, drawn.pictures["heatmap"], drawn.pictures["overlay"], AS_SEEN, display
    )
    report = Report(drawn.explanation, model, panels, options.title, options.remark)
    path = drawn.start.with_name(f"{drawn.start.name}-report.{options.report}")
    if options.report == "json":
        data = json.dumps(report.as_json(), ensure_ascii=False, indent=2).encode()
    else:
        data = write_pdf(report, options.paper)
    with atomic_files(path) as [partial]:
        partial.write_bytes(data)
    return {"outputs": {"report": path}}


@dataclass
class Counts:
    """Numbers of files explained, failed or skipped so far."""

    explained: int = 0
    failed: int = 0
    done_before: int = 0
    no_picture: int = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a record of `explain_files` or `explain_on_cluster`."""
        failed, skipped = record.get("error") is not None, "skipped" in record
        self.failed += failed
        self.explained += not (failed or skipped)
        self.done_before += record.get("skipped") == "done before"
        self.no_picture += record.get("skipped") == "no picture"

    def __str__(self) -> str:
        """Name all counts that are not zero."""
        parts = {
            "explained": self.explained,
            "failed": self.failed,
            "done before": self.done_before,
            "no pictures": self.no_picture,
        }
        said = [f"{count:,} {name}" for name, count in parts.items() if count]
        return ", ".join(said) or "nothing to do"


def print_record(record: Mapping[str, Any], *, as_json: bool, one_by_one: bool) -> None:
    """Print the outcome of one file.

    Args:
        record: a record of `explain_files` or `explain_on_cluster`.
        as_json: print the record as one JSON object.
        one_by_one: also print a line for a file without an error.
    """
    if "skipped" in record:
        return
    failed = record.get("error") is not None
    if failed:
        complain(f"{record['file']}: {record['error']}")
    if as_json:
        print(json.dumps(record), flush=True)
    elif one_by_one and not failed:
        name, share = max(record["probabilities"].items(), key=lambda item: item[1])
        said = name if record["predicted_class"] is not None else f"no finding, {name}"
        print(f"{record['file']}: {said} {share:.1%}{_remark(record)}{_further(record)}")


def _remark(record: Mapping[str, Any]) -> str:
    if record["is_familiar"] is False:
        return " (unlike the X-rays that the model was trained on: do not rely on it)"
    if record["verdict"] is not None:
        return f" ({record['finding']} {record['verdict']})"
    return "" if record.get("is_calibrated", True) else " (not calibrated)"


def _further(record: Mapping[str, Any]) -> str:
    """Describe the effect of a covered place and of small changes on the answer."""
    said = []
    if "steadiness" in record:
        said.append(record["steadiness"]["word"])
    if "covered" in record:
        said.append(record["covered"]["words"])
    return "".join(f"; {each}" for each in said)
