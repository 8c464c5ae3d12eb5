"""`explain`: classify radiographs, save their maps, fill a table."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cxr_gradcam.batch.files import explain_files
from cxr_gradcam.batch.pictures import STYLES, Drawn, Export, Pictures
from cxr_gradcam.batch.remote import is_uri
from cxr_gradcam.batch.rows import Analysis
from cxr_gradcam.batch.sources import Source
from cxr_gradcam.batch.table import Table
from cxr_gradcam.cli.explaining.cluster import add_cluster, check_cluster, on_cluster
from cxr_gradcam.cli.explaining.inputs import add_inputs, sources_of
from cxr_gradcam.cli.explaining.page import add_report, check_report, reports
from cxr_gradcam.cli.explaining.question import add_question, check_question, question_of
from cxr_gradcam.cli.explaining.reports import Counts, report
from cxr_gradcam.cli.options import (
    FAILED,
    FAILED_SOME,
    INTERRUPTED,
    add_json,
    complain,
    require_archive,
)
from cxr_gradcam.cli.progress import files_progress, step_progress
from cxr_gradcam.cli.weights import add_model, model_of
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.imaging.rendering import COLORMAPS
from cxr_gradcam.models.classifier import Classifier


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_inputs(parser)
    _add_outputs(parser)
    add_report(parser)
    add_question(parser)
    add_cluster(parser)
    parser.add_argument(
        "--fast",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="OpenVINO or lower precision where that is faster",
    )
    add_model(parser)
    add_json(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, metavar="DIR", help="save pictures here")
    parser.add_argument(
        "--table",
        type=_on_disk,
        metavar="FILE",
        help="one row per file, .csv, .jsonl or .parquet; what it has already is not done again",
    )
    parser.add_argument("--alpha", type=float, default=0.5, help="opacity of the map, 0 to 1")
    parser.add_argument("--colormap", choices=tuple(COLORMAPS), default="jet")
    parser.add_argument(
        "--style",
        choices=STYLES,
        default="even",
        help="of the overlay: even opacity, fading where the map is weak, or contours",
    )
    parser.add_argument(
        "--threshold", type=float, default=0.0, help="no colour where the map is weaker, 0 to 1"
    )
    parser.add_argument(
        "--dicom",
        action="store_true",
        help="for DICOM files: also pictures, map and report as DICOM, in the patient's study",
    )


def _on_disk(name: str) -> Path:
    if is_uri(name):
        raise argparse.ArgumentTypeError(
            f"{name}: a table grows on a disk, a shared one where need be; copy it when it is done"
        )
    return Path(name)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.output is None and options.table is None:
        raise ValueError("name a folder for pictures by --output, a --table, or both")
    if options.dicom and options.output is None:
        raise ValueError("--dicom saves results as files: name a folder by --output")
    check_report(options)
    check_cluster(options)
    check_question(options)
    sources = sources_of(options)
    model = model_of(options, fast=options.fast)
    question = question_of(options, model)
    with ExitStack() as stack:
        table = None
        if options.table is not None:
            table = stack.enter_context(_table(options, model, question))
        if options.ray is not None and table is not None:
            records = on_cluster(options, stack)(model, sources, table)
        else:
            records = explain_files(
                model,
                sources,
                _pictures(options, model),
                question,
                table=table,
                progress=stack.enter_context(step_progress(question.method)),
            )
        return _report_all(records, sources, options)


def _table(options: argparse.Namespace, model: Classifier, question: Question) -> Table:
    analysis = Analysis.of_model(model, question, fast=options.fast)
    return Table(options.table, analysis, with_outputs=options.output is not None)


def _pictures(options: argparse.Namespace, model: Classifier) -> Pictures | None:
    if options.output is None:
        return None
    also = [_dicom_results(options, model)] if options.dicom else []
    also += [] if options.report is None else [reports(options, model)]
    return Pictures(
        options.output, options.alpha, options.colormap, options.style, options.threshold, also
    )


def _dicom_results(options: argparse.Namespace, model: Classifier) -> Export:
    require_archive()
    from cxr_gradcam.archive.identity import Algorithm
    from cxr_gradcam.archive.results import write_results

    algorithm = Algorithm.of_model(model)

    def write(drawn: Drawn) -> dict[str, Path]:
        made = write_results(
            options.output, drawn.data, drawn.radiograph, drawn.explanation, algorithm
        )
        return {f"dicom-{kind}": path for kind, path in made.items()}

    return write


def _report_all(
    records: Iterable[dict[str, Any]], sources: list[Source], options: argparse.Namespace
) -> int:
    counts = Counts()
    one_by_one = options.json or options.table is None
    try:
        with files_progress(len(sources), shown=options.table is not None) as progress:
            for record in records:
                counts.add(record)
                report(record, as_json=options.json, one_by_one=one_by_one)
                progress.advance()
    except KeyboardInterrupt:
        complain(f"stopped: {counts}. The same command does what is missing")
        return INTERRUPTED
    if options.table is not None:
        print(f"{options.table}: {counts}")
    if counts.failed and len(sources) == 1:
        return FAILED
    return FAILED_SOME if counts.failed else 0
