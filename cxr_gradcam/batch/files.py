"""Explain many files; reading, network and writing run in parallel."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cxr_gradcam.batch.loading import IsDone, Loaded, Loader, in_batches
from cxr_gradcam.batch.names import unique_places
from cxr_gradcam.batch.pictures import Pictures
from cxr_gradcam.batch.sources import Source
from cxr_gradcam.batch.table import Table
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation.engine import explain_inputs
from cxr_gradcam.explanation.explanation import Explanation
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.explanation.records import explanation_record
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.models.classifier import Classifier

BATCH = 16
"""Radiographs per run of the network, if no pictures are saved."""

_BATCH_WITH_PICTURES = 4  # whole radiographs are kept in memory for their pictures

_BATCHES_AT_WORK = 2
"""Batches in progress: one in the network, while rows and pictures are made of the other."""


def explain_files(
    model: Classifier,
    sources: Sequence[Source],
    pictures: Pictures | None = None,
    question: Question | None = None,
    *,
    table: Table | None = None,
    progress: Progress | None = None,
) -> Iterator[dict[str, Any]]:
    """Explain files, save pictures of each and add a row for each to a table.

    Args:
        model: a classifier with Grad-CAM enabled.
        sources: the files, as `find_sources` returns them.
        pictures: the pictures to save of each file; None for none.
        question: the question about each file; None for Grad-CAM of the predicted class.
        table: the table; files that already have a row are skipped. Its analysis must have the same
            question.
        progress: called with (steps done, steps in all) while a slow method runs.

    Yields:
        Per file, in order: {"file", "sha256", "width", "height", the keys of
        `records.explanation_record`, "outputs", and what `pictures` adds}; {"file", "sha256",
        "error"} if the file cannot be read or its pictures cannot be saved; {"file", "skipped"} if
        the file was done before, or is not a picture and was not named itself.

    Raises:
        ValueError: the model has no such class, or the table cannot be written.
    """
    asked, is_done = question or Question(), _never if table is None else table.has
    for records in explain_in_batches(
        model, sources, asked, pictures=pictures, is_done=is_done, progress=progress
    ):
        if table is not None:
            table.append([table.analysis.row(each) for each in records if "skipped" not in each])
        yield from records


def _never(_file: str, _sha256: str) -> bool:
    return False


def explain_in_batches(
    model: Classifier,
    sources: Sequence[Source],
    question: Question,
    *,
    pictures: Pictures | None = None,
    is_done: IsDone = _never,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """Yield the records of `explain_files` batch by batch.

    Args:
        model: a classifier with Grad-CAM enabled.
        sources: the files, as `find_sources` returns them.
        question: the question about each file.
        pictures: the pictures to save of each file; None for none.
        is_done: returns whether a file is skipped, by its name and SHA-256.
        threads: number of threads that read and decode; None for one per core, but at most eight.
            With 1, batches are not processed in parallel.
        progress: called with (steps done, steps in all) while a slow method runs.

    Raises:
        ValueError: the model has no such class.
    """
    question.for_model(model)  # refuses unknown classes before a file is read
    one_by_one = threads == 1 or METHODS[question.method].is_slow
    work = _Work(model, question, pictures, progress, 1 if one_by_one else _BATCHES_AT_WORK)
    loader = Loader(model, is_done, pictures is not None, 2 * work.batch_size, threads)
    places = dict(zip(sources, unique_places([each.place for each in sources]), strict=True))
    yield from work.records(in_batches(loader.load_all(sources), work.batch_size), places)


@dataclass(frozen=True)
class _Work:
    """The processing of each batch of files."""

    model: Classifier
    question: Question
    pictures: Pictures | None
    progress: Progress | None
    batches_at_work: int

    @property
    def batch_size(self) -> int:
        if METHODS[self.question.method].is_slow:
            return 1
        return BATCH if self.pictures is None else _BATCH_WITH_PICTURES

    def records(
        self, batches: Iterable[list[Loaded]], places: Mapping[Source, Path]
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the records of each batch in order, while the next batch is processed."""
        pool = ThreadPoolExecutor(self.batches_at_work, "explain")
        waiting: deque[Future[list[dict[str, Any]]]] = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(self._records, batch, places))
                if len(waiting) == self.batches_at_work:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _records(
        self, batch: Sequence[Loaded], places: Mapping[Source, Path]
    ) -> list[dict[str, Any]]:
        return [
            self._record(file, explanation, places[file.source])
            for file, explanation in self._explained(batch)
        ]

    def _explained(self, batch: Sequence[Loaded]) -> list[tuple[Loaded, Explanation | None]]:
        """Run the network on a batch; None for files that could not be read or are skipped."""
        asked = [(file.x, file.size, file.right_side) for file in batch if file.x is not None]
        if not asked:
            return [(file, None) for file in batch]
        made = explain_inputs(
            self.model,
            torch.cat([x for x, *_ in asked]),
            [size for _, size, _ in asked],
            self.question,
            full_size=self.pictures is not None,
            right_sides=[side for *_, side in asked],
            progress=self.progress,
        )
        explanations = iter(made)
        return [(file, None if file.x is None else next(explanations)) for file in batch]

    def _record(self, file: Loaded, explanation: Explanation | None, place: Path) -> dict[str, Any]:
        start = {"file": file.source.name, "sha256": file.sha256}
        if explanation is None:
            return start | (
                {"error": file.error} if file.skipped is None else {"skipped": file.skipped}
            )
        try:
            outputs = self._draw(file, explanation, place)
        except OSError as error:
            return start | {"error": _unsaved(error)}
        except RadiographError as error:
            return start | {"error": str(error)}
        height, width = file.size
        return {
            **start,
            "width": width,
            "height": height,
            **explanation_record(explanation),
            **outputs,
        }

    def _draw(self, file: Loaded, explanation: Explanation, place: Path) -> dict[str, Any]:
        if self.pictures is None or file.radiograph is None or file.data is None:
            return {}
        return self.pictures.save(place, file.data, file.radiograph, explanation)


def _unsaved(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"The pictures cannot be saved: {reason}. Make room, or choose another --output folder."
