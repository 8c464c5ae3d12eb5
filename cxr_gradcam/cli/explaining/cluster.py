"""`explain --ray`: the same work by the actors of a Ray cluster."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from cxr_gradcam.batch.sources import Source
from cxr_gradcam.batch.table import Table
from cxr_gradcam.models.classifier import Classifier

_HERE = "this machine"
_ADDRESS = re.compile(r"auto|local|(ray://)?[\w.\-\[\]]+:\d+")

Explain = Callable[[Classifier, Sequence[Source], Table], Iterator[dict[str, Any]]]


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the cluster."""
    parser.add_argument(
        "--ray",
        nargs="?",
        const=_HERE,
        metavar="ADDRESS",
        help="by a Ray cluster: auto, HOST:PORT or ray://HOST:PORT; "
        "without an address RAY_ADDRESS, or this machine",
    )
    parser.add_argument(
        "--actors", type=int, metavar="N", help="that hold the model; default: one per GPU, or core"
    )


def check_cluster(options: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        ValueError: there are some.
    """
    if options.ray is None:
        if options.actors is not None:
            raise ValueError("--actors are those of a cluster: add --ray")
        return
    if options.table is None or options.output is not None:
        raise ValueError("a cluster fills a table and saves no pictures: --table without --output")
    if options.ray != _HERE and not _ADDRESS.fullmatch(options.ray):
        raise ValueError(f"{options.ray!r} is no address of a cluster: auto or HOST:PORT")
    if options.actors is not None and options.actors < 1:
        raise ValueError(f"{options.actors} actors hold no model: 1 or more")


def on_cluster(options: argparse.Namespace, stack: ExitStack) -> Explain:
    """Connect to the cluster that the options of `add_cluster` name.

    Args:
        options: they.
        stack: ends the connection.

    Returns:
        What explains files by it.
    """
    from cxr_gradcam.batch.cluster import connected, explain_on_cluster

    stack.enter_context(connected(None if options.ray == _HERE else options.ray))
    return lambda model, sources, table: explain_on_cluster(
        model, sources, table, actors=options.actors
    )
