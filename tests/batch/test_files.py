"""Many files: what goes wrong with one is in its record, and the others go on."""

import errno
import hashlib
import json
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam import explain, read_radiograph
from cxr_gradcam.batch import (
    Analysis,
    Pictures,
    Table,
    explain_files,
    files,
    find_sources,
    loading,
)
from cxr_gradcam.batch.sources import Source
from cxr_gradcam.explanation.question import Question


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    """Three pictures named by UID, without extension."""
    paths = [tmp_path / f"1.2.840.{number}" for number in (3, 4, 5)]
    rng = np.random.default_rng(0)
    for path in paths:
        pixels = rng.integers(0, 256, (64, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(path, "PNG")
    return paths


def explained(model, films, output: Path) -> list[dict[str, Any]]:
    return list(explain_files(model, find_sources(films), Pictures(output)))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_pictures_carry_the_whole_name_of_their_file(shared_model, films, tmp_path):
    records = explained(shared_model, films, tmp_path / "out")
    for film, record in zip(films, records, strict=True):
        assert {Path(path).name for path in record["outputs"].values()} == {
            f"{film.name}-heatmap.png",
            f"{film.name}-overlay.png",
        }
        assert all(Path(path).exists() for path in record["outputs"].values())


def test_a_full_disk_leaves_no_half_file_and_the_rest_goes_on(
    shared_model, films, tmp_path, monkeypatch
):
    write, calls = Path.write_bytes, []

    def full_at_the_second_file(target: Path, data: bytes):
        calls.append(target)
        if len(calls) == 4:  # the second picture of the second file
            write(target, b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(target, data)

    monkeypatch.setattr(Path, "write_bytes", full_at_the_second_file)
    first, second, third = explained(shared_model, films, tmp_path / "out")
    assert "cannot be saved: No space left on device. Make room" in second["error"]
    assert "outputs" in first
    assert "outputs" in third
    kept = {f"{film.name}-{kind}.png" for film in films[::2] for kind in ("heatmap", "overlay")}
    assert names(tmp_path / "out") == kept


def test_names_that_the_file_system_refuses_are_made_acceptable(shared_model, tmp_path):
    long = tmp_path / ("x" * 251 + ".png")
    Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(long, "PNG")
    (record,) = explained(shared_model, [long], tmp_path / "out")
    assert all(Path(path).exists() for path in record["outputs"].values())


def test_a_name_that_cannot_be_opened_is_a_record(shared_model, films, tmp_path):
    wrong = tmp_path / ("x" * 300)
    first, second = explained(shared_model, [wrong, films[0]], tmp_path / "out")
    assert "File name too long" in first["error"]
    assert "outputs" in second


@pytest.mark.parametrize("method", ["gradcam", pytest.param("eigencam", marks=pytest.mark.slow)])
def test_a_file_in_a_batch_is_answered_as_if_it_were_alone(shared_model, tmp_path, method):
    rng = np.random.default_rng(1)
    for number in range(files.BATCH + 3):
        pixels = rng.integers(0, 256, (50 + number, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
    question = Question("class 1", method)
    sources = find_sources([tmp_path])
    records = list(explain_files(shared_model, sources, None, question))
    for number in (0, files.BATCH - 1, files.BATCH + 2):
        source, record = sources[number], records[number]
        (alone,) = explain_files(shared_model, [source], None, question)
        assert without_numbers(record) == without_numbers(alone)
        assert numbers(record) == pytest.approx(numbers(alone), rel=1e-5, abs=1e-6)
        single = explain(shared_model, read_radiograph(source.path), "class 1", method)
        assert record["probabilities"] == pytest.approx(single.probabilities, abs=1e-6)


def numbers(record: dict[str, Any]) -> list[float]:
    return [
        value for value in (*record.values(), *record["probabilities"].values()) if is_number(value)
    ]


def without_numbers(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in record.items()
        if not is_number(value) and name != "probabilities"
    }


def is_number(value: object) -> bool:
    return isinstance(value, float)


def test_a_table_has_a_row_for_every_file_failures_too(shared_model, films, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    question = Question()
    analysis = Analysis("weights", shared_model.class_names, question)
    sources = find_sources([*films, tmp_path / "broken.png", tmp_path / "missing.png"])
    with Table(tmp_path / "table.jsonl", analysis) as table:
        yielded = list(explain_files(shared_model, sources, None, question, table=table))
    rows = [json.loads(line) for line in (tmp_path / "table.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows] == [source.name for source in sources]
    assert ["error" in record for record in yielded] == [False] * 3 + [True] * 2
    assert "cannot be decoded" in rows[3]["error"]
    assert "No such file" in rows[4]["error"]
    assert rows[3]["sha256"] == hashlib.sha256((tmp_path / "broken.png").read_bytes()).hexdigest()
    assert rows[4]["sha256"] is None
    for row, record in zip(rows[:3], yielded, strict=False):
        assert row["probability_class 0"] == pytest.approx(record["probabilities"]["class 0"], 1e-5)
        assert row["model"] == "weights"
        assert row["error"] is None


@pytest.mark.usefixtures("films")
def test_what_nobody_named_and_is_no_picture_is_left_out(shared_model, tmp_path):
    (tmp_path / "labels.csv").write_text("file,label")
    (tmp_path / "README").write_text("of the folder")
    records = list(explain_files(shared_model, find_sources([tmp_path])))
    assert [record.get("skipped") for record in records].count("no picture") == 2
    assert sum("probabilities" in record for record in records) == 3


def test_a_class_that_is_none_is_told_before_any_file_is_read(shared_model, films):
    with pytest.raises(ValueError, match="no class 'cat'"):
        next(explain_files(shared_model, find_sources(films), None, Question("cat")))


def test_pictures_of_folders_lie_as_the_files_do(shared_model, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / folder / "film.png")
    explained(shared_model, [tmp_path / "in"], tmp_path / "out")
    assert (tmp_path / "out" / "a" / "film-heatmap.png").exists()
    assert (tmp_path / "out" / "b" / "film-overlay.png").exists()


def test_a_file_that_never_comes_holds_no_other(
    shared_model, films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = Event()

    def read(source: Source) -> bytes:
        if source.path == str(films[1]):
            hung.wait()  # as a network drive that is gone
        return Path(source.path).read_bytes()

    monkeypatch.setattr(Source, "read", read)
    monkeypatch.setattr(loading, "READ_SECONDS", 0.2)
    first, second, third = explain_files(shared_model, find_sources(films))
    hung.set()
    assert "error" not in first
    assert "error" not in third
    assert second["file"] == str(films[1])
    assert "not read within 0.2 seconds" in second["error"]
