"""`node`: receive or fetch radiographs of an archive, explain them, and send the results."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import ssl
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from cxr_gradcam.cli.options import FAILED_SOME
from cxr_gradcam.cli.question import add_fields, question_of
from cxr_gradcam.cli.weights import add_model, model_of
from cxr_gradcam.explanation import examine
from cxr_gradcam.explanation.question import QUESTION_FIELDS
from cxr_gradcam.extras import require
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.stages import SHOWN_FIRST

if TYPE_CHECKING:
    from cxr_gradcam.archive.destination import Destination
    from cxr_gradcam.archive.dicomweb import DicomwebArchive
    from cxr_gradcam.archive.node import Node
    from cxr_gradcam.archive.receiver import Limits
    from cxr_gradcam.archive.results import ResultMaker

_MEGABYTE = 2**20
_ASKED = ("class_name", "method", "detail")
_log = logging.getLogger("cxr_gradcam.node")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    results = parser.add_mutually_exclusive_group(required=True)
    results.add_argument("--store-to", metavar="AET@HOST:PORT", help="send results by C-STORE")
    results.add_argument("--dicomweb", metavar="URL", help="store results by DICOMweb (STOW)")
    _add_sources(parser)
    _add_limits(parser)
    _add_tls(parser)
    add_fields(parser, (field for field in QUESTION_FIELDS if field.name in _ASKED))
    parser.add_argument(
        "--health",
        type=float,
        default=60,
        metavar="SECONDS",
        help="seconds between two log lines with counters",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="end as soon as instances were received and all results are sent",
    )
    add_model(parser)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ae-title", default="CXR_GRADCAM", help="AE title of this node; default: %(default)s"
    )
    parser.add_argument("--port", type=int, help="receive instances by C-STORE at this port")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen at; default: all")  # noqa: S104
    parser.add_argument(
        "--accept",
        nargs="+",
        default=[],
        metavar="CALLER",
        help="callers that may send: AET, @ADDRESS or AET@ADDRESS; default: anybody",
    )
    parser.add_argument(
        "--study", nargs="+", default=[], metavar="UID", help="fetch these studies by DICOMweb"
    )
    parser.add_argument(
        "--query",
        nargs="+",
        default=[],
        metavar="KEYWORD=VALUE",
        help="fetch what matches by DICOMweb, such as StudyDate=20240101-20240131",
    )
    parser.add_argument(
        "--spool",
        type=Path,
        metavar="DIR",
        help="folder where instances and results wait; default: in the user's state folder",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    for name, default, text in (
        ("--max-associations", 10, "associations open at a time"),
        ("--max-image", 100, "MB of one instance"),
        ("--max-spool", 4096, "MB of all that waits in the spool"),
        ("--min-free", 1024, "MB that stay free on the disk"),
    ):
        parser.add_argument(
            name, type=int, default=default, metavar="N", help=f"{text}; default: %(default)s"
        )


def _add_tls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tls-certificate", metavar="PEM", help="listen encrypted, with this certificate"
    )
    parser.add_argument("--tls-key", metavar="PEM", help="key of the certificate")
    parser.add_argument(
        "--tls-ca", metavar="PEM", help="trusted certificates: callers then need a certificate, too"
    )
    parser.add_argument("--store-tls", action="store_true", help="encrypt what --store-to sends")


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    _check(options)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("cxr_gradcam").setLevel(logging.INFO)
    node = _node(options)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    node.start()
    try:
        is_complete = _fetch(node, options, stop)
        _watch(node, options, stop)
    finally:
        node.stop()
        _log.info(node.health())
    failed = node.counters["refused"] + node.counters["failed"]
    return FAILED_SOME if failed or not is_complete else 0


def _check(options: argparse.Namespace) -> None:
    require("archive", "The node")
    fetches = bool(options.study or options.query)
    if options.port is None and not fetches:
        raise ValueError("nothing to do: name a --port to listen at, or a --study or --query")
    if fetches and options.dicomweb is None:
        raise ValueError("--study and --query fetch by DICOMweb: name the archive by --dicomweb")
    if wrong := [pair for pair in options.query if "=" not in pair]:
        raise ValueError(f"--query {wrong[0]!r}: write KEYWORD=VALUE, such as Modality=DX")
    if (options.tls_certificate is None) != (options.tls_key is None):
        raise ValueError("--tls-certificate and --tls-key belong together: name both")


def _node(options: argparse.Namespace) -> Node:
    from cxr_gradcam.archive.node import Node
    from cxr_gradcam.archive.receiver import Caller
    from cxr_gradcam.archive.spool import Spool

    make_results, configuration = _result_maker(options)
    return Node(
        Spool(options.spool or _default_spool(), configuration),
        make_results,
        _destination(options),
        options.ae_title,
        None if options.port is None else (options.host, options.port),
        callers=tuple(Caller.parse(text) for text in options.accept),
        limits=_limits(options),
        tls=_server_tls(options),
    )


def _result_maker(options: argparse.Namespace) -> tuple[ResultMaker, str]:
    """Return the maker of results, and a text that identifies weights and question."""
    from cxr_gradcam.archive.identity import Algorithm
    from cxr_gradcam.archive.results import result_maker

    model = model_of(options)
    algorithm = Algorithm.of_model(model)
    question = question_of(options).for_model(model, detail=SHOWN_FIRST)
    # The first pass builds objects that later ones use
    examine(model, Radiograph(np.zeros((8, 8), np.float32)))
    return result_maker(model, algorithm, question), f"{algorithm.identity} {question!r}"


def _destination(options: argparse.Namespace) -> Destination:
    from cxr_gradcam.archive.destination import StoreDestination
    from cxr_gradcam.archive.dicomweb import DicomwebArchive

    if options.dicomweb is not None:
        return DicomwebArchive(options.dicomweb, os.environ)
    tls = ssl.create_default_context(cafile=options.tls_ca) if options.store_tls else None
    if tls is not None and options.tls_certificate is not None:
        tls.load_cert_chain(options.tls_certificate, options.tls_key)
    return StoreDestination.parse(options.store_to, options.ae_title, tls)


def _limits(options: argparse.Namespace) -> Limits:
    from cxr_gradcam.archive.receiver import Limits

    return Limits(
        options.max_associations,
        options.max_image * _MEGABYTE,
        options.max_spool * _MEGABYTE,
        options.min_free * _MEGABYTE,
    )


def _server_tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=options.tls_ca)
    context.load_cert_chain(options.tls_certificate, options.tls_key)
    if options.tls_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _default_spool() -> Path:
    """Return the default folder: not in a working folder, which may be shared."""
    from platformdirs import user_state_path

    return user_state_path("cxr-gradcam", appauthor=False) / "spool"


def _fetch(node: Node, options: argparse.Namespace, stop: Event) -> bool:
    """Fetch the instances of --study and --query into the spool; return whether all were found."""
    from cxr_gradcam.archive.dicomweb import DicomwebArchive

    if not options.study and not options.query:
        return True
    archive = DicomwebArchive(options.dicomweb, os.environ)
    query = dict(pair.split("=", 1) for pair in options.query)
    counts = list[int]()
    for study in options.study or [None]:
        counts.append(0)
        for names in archive.images(study, query):
            if stop.is_set():
                return False
            node.take(names[2], partial(archive.fetch, *names))
            counts[-1] += 1
    for number, study in enumerate(options.study, 1):
        if not counts[number - 1]:
            # A Study Instance UID belongs to a patient, so the log names its place in the command
            _log.error("--study number %d %s", number, _why_nothing(archive, study, query))
    if not options.study and not counts[0]:
        _log.warning("no CR or DX radiograph in the archive matches --query")
    return all(counts) or not options.study


def _why_nothing(archive: DicomwebArchive, study: str, query: dict[str, str]) -> str:
    """Say why no instance of a study is fetched."""
    if not archive.has_study(study):
        return "is not in the archive: check the UID and the URL"
    matching = " that matches --query" if query else ""
    return f"has no CR or DX radiograph for presentation{matching}"


def _watch(node: Node, options: argparse.Namespace, stop: Event) -> None:
    """Log the node's health until it is stopped."""
    ends = options.once or options.port is None
    waited, pause = 0.0, 0.1 if ends else options.health
    came = options.port is None or not node.is_idle()
    while not stop.wait(pause):
        came = came or bool(node.counters["received"] + node.counters["repeated"])
        if ends and came and node.is_idle():
            return
        waited += pause
        if waited >= options.health:
            _log.info(node.health())
            waited = 0.0
