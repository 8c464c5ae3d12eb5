"""`explain`: classify radiographs, save their maps, fill a table."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cxr_gradcam.batch.analysis import Analysis
from cxr_gradcam.batch.files import explain_files
from cxr_gradcam.batch.remote import is_uri
from cxr_gradcam.batch.sources import Source, find_sources, listed
from cxr_gradcam.batch.table import Table
from cxr_gradcam.cli.explain.outputs import (
    Counts,
    add_outputs,
    check_outputs,
    pictures_of,
    print_record,
)
from cxr_gradcam.cli.explain.progress import files_progress, step_progress
from cxr_gradcam.cli.options import FAILED, FAILED_SOME, INTERRUPTED, add_json, complain
from cxr_gradcam.cli.question import add_fields, display_of, question_of
from cxr_gradcam.cli.weights import add_model, model_of
from cxr_gradcam.explanation.question import QUESTION_FIELDS
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.stages import SHOWN_FIRST

_TABLE_DETAIL = "coarse"  # finer maps take longer than the network itself
_THIS_MACHINE = "this machine"
_ADDRESS = re.compile(r"auto|local|(ray://)?[\w.\-\[\]]+:\d+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    _add_inputs(parser)
    add_outputs(parser)
    parser.add_argument(
        "--table",
        type=_on_disk,
        metavar="FILE",
        help="write one row per file to this .csv, .jsonl or .parquet; files that have a row are "
        "skipped",
    )
    add_fields(parser, QUESTION_FIELDS)
    _add_cluster(parser)
    parser.add_argument(
        "--fast",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="use OpenVINO or lower precision where it is faster, which is the default",
    )
    add_model(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.output is None and options.table is None:
        raise ValueError("name a folder for pictures by --output, a --table, or both")
    check_outputs(options)
    _check_cluster(options)
    question, display = question_of(options), display_of(options)
    sources = _sources(options)
    model = model_of(options, fast=options.fast)
    drawn = options.output is not None
    question = question.for_model(model, detail=SHOWN_FIRST if drawn else _TABLE_DETAIL)
    with ExitStack() as stack:
        table = None
        if options.table is not None:
            analysis = Analysis.of_model(model, question, fast=options.fast)
            table = stack.enter_context(Table(options.table, analysis, with_outputs=drawn))
        if options.ray is not None and table is not None:
            records = _on_cluster(options, stack, model, sources, table)
        else:
            pictures = pictures_of(options, model, display) if drawn else None
            progress = stack.enter_context(step_progress(question.method))
            records = explain_files(
                model, sources, pictures, question, table=table, progress=progress
            )
        return _report_all(records, sources, options)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="a radiograph, a folder, a ZIP archive, a pattern such as 'films/**/*.dcm', or a URI",
    )
    parser.add_argument(
        "--files-from",
        metavar="LIST",
        help="a text file with one FILE per line; - for standard input",
    )


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ray",
        nargs="?",
        const=_THIS_MACHINE,
        metavar="ADDRESS",
        help="run on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT; "
        "without an address: RAY_ADDRESS, or this machine",
    )
    parser.add_argument(
        "--actors",
        type=int,
        metavar="N",
        help="copies of the model on the cluster; default: one per GPU or core",
    )


def _on_disk(name: str) -> Path:
    if is_uri(name):
        raise argparse.ArgumentTypeError(
            f"{name} is an address, and a table is written to a disk: name a file (with --ray on a "
            "disk that all machines share), and copy it when it is done"
        )
    return Path(name)


def _check_cluster(options: argparse.Namespace) -> None:
    """Raise an error for options that cannot be combined."""
    if options.ray is None:
        if options.actors is not None:
            raise ValueError("--actors are those of a cluster: add --ray")
        return
    if options.table is None or options.output is not None:
        raise ValueError(
            "a cluster fills a table and saves no pictures: with --ray give --table, no --output"
        )
    if options.ray != _THIS_MACHINE and not _ADDRESS.fullmatch(options.ray):
        raise ValueError(f"{options.ray!r} is no address of a cluster: write auto or HOST:PORT")
    if options.actors is not None and options.actors < 1:
        raise ValueError(f"--actors is {options.actors}: it must be 1 or more")


def _sources(options: argparse.Namespace) -> list[Source]:
    """Return the files named by the options."""
    names = [*options.files, *_from_list(options.files_from)]
    if not names:
        raise ValueError(
            "name radiographs: files, folders, ZIP archives, or a list by --files-from"
        )
    sources = find_sources(names)
    if not sources:
        raise ValueError(
            f"no files in {', '.join(map(str, names))}: name files, or folders that hold some"
        )
    return sources


def _from_list(path: str | None) -> list[str]:
    if path is None:
        return []
    if path == "-":
        return listed(sys.stdin)
    try:
        return listed(Path(path).read_text(encoding="utf-8-sig").split("\n"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no list of names: write one a line, in UTF-8") from None


def _on_cluster(
    options: argparse.Namespace,
    stack: ExitStack,
    model: Classifier,
    sources: list[Source],
    table: Table,
) -> Iterator[dict[str, Any]]:
    """Explain the files by the actors of a Ray cluster, which the stack disconnects."""
    from cxr_gradcam.batch.cluster import connected, explain_on_cluster

    stack.enter_context(connected(None if options.ray == _THIS_MACHINE else options.ray))
    return explain_on_cluster(model, sources, table, actors=options.actors)


def _report_all(
    records: Iterable[dict[str, Any]], sources: list[Source], options: argparse.Namespace
) -> int:
    counts = Counts()
    one_by_one = options.json or options.table is None
    try:
        with files_progress(len(sources), shown=options.table is not None) as progress:
            for record in records:
                counts.add(record)
                print_record(record, as_json=options.json, one_by_one=one_by_one)
                progress.advance()
    except KeyboardInterrupt:
        complain(f"stopped: {counts}. The same command does what is missing")
        return INTERRUPTED
    if options.table is not None:
        print(f"{options.table}: {counts}")
    if counts.failed and len(sources) == 1:
        return FAILED
    return FAILED_SOME if counts.failed else 0
