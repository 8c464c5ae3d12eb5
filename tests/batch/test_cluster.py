"""The same rows from a Ray cluster as from one machine, whatever dies there."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.batch import Analysis, Table, explain_files, find_sources
from cxr_gradcam.batch.cluster import AT_ONCE, connected, explain_on_cluster
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.models.stages import DETAIL

pytest.importorskip("ray")

QUESTION = Question(layers=DETAIL["coarse"])


@pytest.fixture(scope="module")
def model(bundled: ResNet50FineTuned) -> ResNet50FineTuned:
    return bundled


@pytest.fixture(scope="module")
def analysis(model: ResNet50FineTuned) -> Analysis:
    return Analysis("bundled", model.class_names, QUESTION)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than three actors' tasks, one of them broken, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    for number in range(3 * AT_ONCE + 1):
        grey = rng.integers(0, 256, (8, 9), dtype=np.uint8)
        Image.fromarray(grey).resize((80 + number, 90)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "labels.csv").write_text("file,label")
    return folder


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with connected():
        yield


@pytest.fixture(scope="module")
def expected(
    model: ResNet50FineTuned,
    analysis: Analysis,
    films: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> bytes:
    """The table of one machine."""
    path = tmp_path_factory.mktemp("local") / "table.csv"
    with Table(path, analysis) as table:
        list(explain_files(model, find_sources([films.as_uri()]), None, QUESTION, table=table))
    return path.read_bytes()


class DiesOnce:
    """A model whose third batch ends the process that it is in, as `kill -9` does."""

    def __init__(self, model: ResNet50FineTuned, calls: Path) -> None:
        self.class_names, self.preprocessing = model.class_names, model.preprocessing
        self.multi_label, self.calibration = model.multi_label, model.calibration
        self.ood_detector, self.prepare = model.ood_detector, model.prepare
        self.assumptions, self.provenance = model.assumptions, model.provenance
        self.model, self.calls = model, calls

    def record(self, x, layers=None):
        (self.calls / uuid4().hex).touch()
        if len([*self.calls.iterdir()]) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.model.record(x, layers)


@pytest.mark.slow
def test_rows_are_those_of_one_machine_though_an_actor_dies(
    model: ResNet50FineTuned, analysis: Analysis, films: Path, expected: bytes, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    calls.mkdir()
    path, sources = tmp_path / "table.csv", find_sources([films.as_uri()])
    with Table(path, analysis) as table:
        made = list(explain_on_cluster(DiesOnce(model, calls), sources, table, actors=1))
    assert sorted(path.read_bytes().splitlines()) == sorted(expected.splitlines())
    assert len(made) == len(sources)
    assert [row["skipped"] for row in made if "skipped" in row] == ["no picture"]
    batches = -(-AT_ONCE // 16) * 3 + 1
    assert len([*calls.iterdir()]) > batches  # what it had in hand was done again


@pytest.mark.slow
def test_a_second_run_does_what_is_missing(
    model: ResNet50FineTuned, analysis: Analysis, films: Path, expected: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    lines = expected.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-5]))
    with Table(path, analysis) as table:
        sources = find_sources([films.as_uri()])
        made = list(explain_on_cluster(model, sources, table, actors=1))
    reasons = [row.get("skipped") for row in made]
    assert reasons.count("done before") >= len(sources) - 7
    assert sorted(path.read_bytes().splitlines()) == sorted(expected.splitlines())
