"""Many files on a Ray cluster: actors hold the model, and the driver writes the table.

Ray Data distributes the files, and repeats the batch of a failed actor.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.batch.analysis import Analysis
from cxr_gradcam.batch.files import BATCH, explain_in_batches
from cxr_gradcam.batch.parquet import schema_of
from cxr_gradcam.batch.sources import Source
from cxr_gradcam.batch.table import Table
from cxr_gradcam.extras import require
from cxr_gradcam.models.classifier import Classifier

if TYPE_CHECKING:
    import pyarrow
    import ray

AT_ONCE = 2 * BATCH
"""Files that an actor takes at once; these are repeated when an actor or the run is killed."""

_SKIPPED = "skipped"


@contextmanager
def connected(address: str | None = None) -> Iterator[None]:
    """Connect to a cluster.

    Args:
        address: "auto" for the cluster of this machine, "ray://host:10001" for another; None for
            the environment's RAY_ADDRESS or, without one, this machine alone.

    Raises:
        ValueError: Ray is missing, or there is no such cluster.
    """
    require("ray", "--ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage reports
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray
    import ray.data  # noqa: F401 - an attribute of ray from now on

    with _session_folder(address) as folder:
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, _temp_dir=folder)
        except (ConnectionError, ValueError) as error:
            raise ValueError(
                f"no Ray cluster at {address}: {error}; start one (ray start --head), or check the "
                "address"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _session_folder(address: str | None) -> Iterator[str | None]:
    """Make the folder of a cluster that is started here, and finally remove it.

    Args:
        address: address of an existing cluster, or None.

    Yields:
        The folder; None if Ray or the environment has one. Its path is short: Ray's sockets are
        below it, and the system limits the length of their paths.
    """
    if address or any(name in os.environ for name in ("RAY_ADDRESS", "RAY_TMPDIR")):
        yield None
        return
    short = "/tmp" if os.name == "posix" else None  # noqa: S108 - the folder in it is private
    with TemporaryDirectory(prefix="ray-", dir=short, ignore_cleanup_errors=True) as folder:
        yield folder


def explain_on_cluster(
    model: Classifier,
    sources: Sequence[Source],
    table: Table,
    *,
    actors: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Explain files by the actors of a cluster, and add a row for each to a table.

    Args:
        model: a classifier with Grad-CAM enabled; each actor has a copy.
        sources: the files, by paths or URIs that every machine of the cluster can reach.
        table: the table; files that already have a row are skipped.
        actors: number of actors; None for one per GPU of the cluster or, without GPUs, per core.

    Yields:
        Per file, when it is done: its row; {"file", "skipped"} if it was done before, or is not a
        picture and was not named itself.

    Raises:
        ValueError: the model has no such class, or the table cannot be written.
    """
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpus = resources.get("GPU", 0)
    size = actors or int(gpus or resources["CPU"])
    _be_quiet()
    done = _dataset(sources, table).map_batches(
        _Actor,
        batch_size=AT_ONCE,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=size),
        fn_constructor_args=(ray.put(model), table.analysis),
        num_cpus=1,
        num_gpus=1 if gpus else 0,
    )
    batches: Any = done.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    for batch in batches:
        rows = batch.to_pylist()
        skipped = [row.pop(_SKIPPED) for row in rows]
        table.append([row for row, why in zip(rows, skipped, strict=True) if why is None])
        for row, why in zip(rows, skipped, strict=True):
            yield row if why is None else {"file": row["file"], "skipped": why}


def _dataset(sources: Sequence[Source], table: Table) -> ray.data.Dataset:
    import ray

    items = [
        {"source": pickle.dumps(source), "known": table.known(source.name) or ""}
        for source in sources
    ]
    blocks = -(-len(items) // AT_ONCE)
    return ray.data.from_items(items, override_num_blocks=blocks)


def _be_quiet() -> None:
    """Turn off Ray's progress bars, since the command shows its own."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    for name in ("ray.data", "ray.data.dataset"):
        logging.getLogger(name).setLevel(logging.ERROR)


class _Actor:
    """An actor that has a copy of the model, and explains batches of files."""

    def __init__(self, model: Any, analysis: Analysis) -> None:  # noqa: ANN401 - a reference
        import ray

        self._model: Classifier = ray.get(model)
        self._analysis = analysis

    def __call__(self, batch: dict[str, NDArray[np.object_]]) -> pyarrow.Table:
        import pyarrow as pa

        sources = [pickle.loads(source) for source in batch["source"]]  # noqa: S301 - from the driver
        known = {each.name: known for each, known in zip(sources, batch["known"], strict=True)}
        records = explain_in_batches(
            self._model,
            sources,
            self._analysis.question,
            is_done=lambda file, sha256: known[file] == sha256,
            threads=1,
        )
        rows = [
            self._analysis.row(record) | {_SKIPPED: record.get("skipped")}
            for batch in records
            for record in batch
        ]
        columns = self._analysis.columns | {_SKIPPED: "text"}
        return pa.Table.from_pylist(rows, schema_of(columns))
