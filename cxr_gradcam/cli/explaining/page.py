"""`explain --report`: a page to take along, as PDF or JSON, beside the pictures of each file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from uuid import uuid4

from cxr_gradcam.batch.pictures import Drawn, Export
from cxr_gradcam.imaging.rendering import as_rgb
from cxr_gradcam.imaging.stored_values import AS_SEEN
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.report.contents import Panels, Report, check_typed, overlay_in_words
from cxr_gradcam.report.model import ReportedModel
from cxr_gradcam.report.pdf import PAPERS, write_pdf


def add_report(parser: argparse.ArgumentParser) -> None:
    """Add the report, and what the reader types into it."""
    parser.add_argument(
        "--report",
        nargs="?",
        const="pdf",
        choices=("pdf", "json"),
        help="also a page with the three panels and what was found, or the same as JSON",
    )
    parser.add_argument("--paper", choices=tuple(PAPERS), default="a4", help="of the report")
    parser.add_argument("--title", default="", help="of the report")
    parser.add_argument("--remark", default="", help="in the report")


def check_report(options: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        ValueError: there are some, or title or remark is too long.
    """
    if options.report is None:
        typed = {"--title": options.title, "--remark": options.remark}
        for name in (name for name, text in typed.items() if text):
            raise ValueError(f"{name} stands in a report: add --report")
        return
    if options.output is None:
        raise ValueError("--report saves a file beside the pictures: name a folder by --output")
    check_typed(options.title, options.remark)


def reports(options: argparse.Namespace, model: Classifier) -> Export:
    """Return what writes the report of a file."""
    return partial(_write, options, ReportedModel.of_model(model))


def _write(options: argparse.Namespace, model: ReportedModel, drawn: Drawn) -> Mapping[str, Path]:
    panels = Panels(
        as_rgb(drawn.radiograph.pixels),
        drawn.pictures["heatmap"],
        drawn.pictures["overlay"],
        AS_SEEN,
        options.colormap,
        overlay_in_words(options.alpha),
    )
    report = Report(drawn.explanation, model, panels, options.title, options.remark)
    path = drawn.start.with_name(f"{drawn.start.name}-report.{options.report}")
    if options.report == "json":
        _save(path, json.dumps(report.as_json(), ensure_ascii=False, indent=2).encode())
    else:
        _save(path, write_pdf(report, options.paper))
    return {"report": path}


def _save(path: Path, data: bytes) -> None:
    """Write under another name first: a full disk leaves no half report."""
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
