"""A table: every row whole or not at all, found again, and nobody else's file is touched."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from cxr_gradcam.batch.analysis import Analysis
from cxr_gradcam.batch.lines import TableError
from cxr_gradcam.batch.table import Table
from cxr_gradcam.explanation.question import Question

ANALYSIS = Analysis("0" * 64, ("Normal", "Pneumonia"), Question())
ENDINGS = [".csv", ".jsonl", ".parquet"]


def row(file: str, sha256: str = "a", analysis: Analysis = ANALYSIS, **more: Any) -> dict[str, Any]:
    shares = {"Normal": 1 / 3, "Pneumonia": 2 / 3}
    known = {"probabilities": shares, "is_familiar": True, "layers": ["x", "y"], "width": 4}
    return analysis.row({"file": file, "sha256": sha256, **known, **more})


def failure(file: str) -> dict[str, Any]:
    return ANALYSIS.row({"file": file, "sha256": "a", "error": 'no image, "really"'})


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


def files(path: Path) -> list[str]:
    return [each["file"] for each in read(path)]


@pytest.fixture(params=ENDINGS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == ".parquet":
        pytest.importorskip("pyarrow")
    return tmp_path / f"table{request.param}"


def test_rows_have_six_digits_and_flat_columns(path: Path) -> None:
    with Table(path, ANALYSIS) as table:
        table.append([row("ü, 1.png", peak=123456.789), failure("2.png")])
        assert len(table) == 2
    first, second = read(path)
    assert first["file"] == "ü, 1.png"
    assert float(first["probability_Normal"]) == 0.333333
    assert float(first["peak"]) == 123457
    assert int(first["width"]) == 4
    assert first["layers"] == "x+y"
    assert first["is_familiar"] in (True, "true")
    assert second["error"] == 'no image, "really"'
    assert not second["probability_Normal"]


def test_a_second_run_knows_what_is_done_and_adds_what_is_missing(path: Path) -> None:
    with Table(path, ANALYSIS) as table:
        table.append([row("1.png"), failure("2.png")])
    with Table(path, ANALYSIS) as table:
        assert table.has("1.png", "a")
        assert not table.has("1.png", "b")  # changed since
        assert not table.has("2.png", "a")  # failed
        assert not table.has("3.png", "a")
        table.append([row("3.png")])
    assert files(path) == ["1.png", "2.png", "3.png"]


def test_a_row_of_a_changed_or_failed_file_takes_the_place_of_the_old_one(path: Path) -> None:
    with Table(path, ANALYSIS) as table:
        table.append([row("1.png"), failure("2.png"), row("3.png")])
    with Table(path, ANALYSIS) as table:
        table.append([row("1.png", "b"), row("2.png")])
        assert len(table) == 3
    assert files(path) == ["3.png", "1.png", "2.png"]
    assert [each["sha256"] for each in read(path)] == ["a", "b", "a"]
    assert not any(each["error"] for each in read(path))


@pytest.mark.parametrize(
    "other",
    [
        Analysis("1" * 64, ANALYSIS.class_names, Question()),
        Analysis("0" * 64, ANALYSIS.class_names, Question("Normal")),
        Analysis("0" * 64, ANALYSIS.class_names, Question(method="layercam")),
        Analysis("0" * 64, ANALYSIS.class_names, Question(), fast=False),
    ],
)
def test_another_model_question_or_precision_has_rows_of_its_own(
    path: Path, other: Analysis
) -> None:
    with Table(path, ANALYSIS) as table:
        table.append([row("1.png")])
    with Table(path, other) as table:
        assert not table.has("1.png", "a")
        table.append([row("1.png", analysis=other)])
    assert files(path) == ["1.png", "1.png"]
    with Table(path, ANALYSIS) as table:
        assert table.has("1.png", "a")


def test_a_row_whose_pictures_are_gone_is_missing_where_pictures_are_wanted(
    path: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "1-heatmap.png"
    picture.touch()
    with Table(path, ANALYSIS, with_outputs=True) as table:
        table.append([row("1.png", outputs={"heatmap": str(picture)}), row("2.png")])
    with Table(path, ANALYSIS, with_outputs=True) as table:
        assert table.has("1.png", "a")
        assert not table.has("2.png", "a")
    picture.unlink()
    with Table(path, ANALYSIS, with_outputs=True) as table:
        assert not table.has("1.png", "a")
    with Table(path, ANALYSIS) as table:
        assert table.has("1.png", "a")


@pytest.mark.parametrize("lost", [1, 2, 30, 90])
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_what_a_killed_run_left_unfinished_is_cut(tmp_path: Path, ending: str, lost: int) -> None:
    path = tmp_path / f"table{ending}"
    with Table(path, ANALYSIS) as table:
        table.append([row("1.png"), row("2.png")])
    path.write_bytes(path.read_bytes()[:-lost])
    with Table(path, ANALYSIS) as table:
        assert table.has("1.png", "a")
        assert not table.has("2.png", "a")
        table.append([row("2.png")])
    assert files(path) == ["1.png", "2.png"]


def test_a_header_that_a_killed_run_left_unfinished_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("file,sha2")
    with Table(path, ANALYSIS) as table:
        table.append([row("1.png")])
    assert files(path) == ["1.png"]


def test_parquet_rows_of_a_killed_run_are_not_lost(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "table.parquet"
    with Table(path, ANALYSIS) as table:
        table.append([row("1.png")])
    killed = Table(path, ANALYSIS)
    killed.append([row("2.png")])
    killed._file.close()  # as the system does it
    with Table(path, ANALYSIS) as table:
        assert table.has("1.png", "a")
        assert table.has("2.png", "a")
    assert files(path) == ["1.png", "2.png"]
    assert [each.name for each in tmp_path.iterdir()] == ["table.parquet"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", b"image,label\n1.png,1\n2.p"),
        ("labels.jsonl", b'{"image": "1.png"}\n'),
        ("labels.jsonl", b'{"image": "1.png"}'),
        ("labels.jsonl", b"\x00\xff"),
        ("labels.parquet", b"PAR1 and no more"),
    ],
)
def test_a_file_that_is_no_table_of_ours_is_left_as_it_is(
    tmp_path: Path, name: str, content: bytes
) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TableError, match="another --table"):
        Table(path, ANALYSIS)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_a_table_of_other_classes_is_left_as_it_is(path: Path) -> None:
    with Table(path, ANALYSIS) as table:
        table.append([row("1.png")])
    before = path.read_bytes()
    with pytest.raises(TableError, match="another --table"):
        Table(path, Analysis("0" * 64, ("Normal", "Effusion"), Question()))
    assert path.read_bytes() == before


def test_a_name_without_a_known_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"let it end in \.csv, \.jsonl, \.parquet"):
        Table(tmp_path / "table.xlsx", ANALYSIS)


def test_a_disk_that_fills_up_leaves_whole_batches(path: Path) -> None:
    resource = pytest.importorskip("resource")
    table = Table(path, ANALYSIS)
    table.append([row("1.png")])
    room = sum(each.stat().st_size for each in path.parent.iterdir()) + 10
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))  # the system takes 10 bytes more
    try:
        with pytest.raises(TableError, match="Make room and give the same command again"):
            table.append([row("2.png"), row("3.png")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    table.append([row("4.png")])
    table.close()
    assert files(path) == ["1.png", "4.png"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "device.csv").symlink_to("/dev/zero")
    for name in ("folder.csv", "device.csv"):
        with pytest.raises(TableError, match="no file"):
            Table(tmp_path / name, ANALYSIS)


def test_two_processes_do_not_write_one_table(path: Path) -> None:
    with Table(path, ANALYSIS), pytest.raises(TableError, match="by another process"):
        Table(path, ANALYSIS)


def test_a_table_of_many_rows_passes_through_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "table.parquet"
    with Table(path, ANALYSIS) as table:
        table.append([row(f"{number}.png") for number in range(10_001)])
    with Table(path, ANALYSIS) as table:
        assert len(table) == 10_001
    assert len(files(path)) == 10_001


@pytest.mark.parametrize(
    "file",
    ["=1", "+x", "-x", "@x", "\tx", "\rx", "\uff1dx", "\uff20x", "'=x", "''@x", "'x", "x=1"],
)
def test_no_cell_of_a_csv_becomes_a_formula_and_its_file_is_found_again(
    tmp_path: Path, file: str
) -> None:
    path = tmp_path / "table.csv"
    with Table(path, ANALYSIS) as table:
        table.append([row(file, "a", peak=-1.5)])
    [cells] = read(path)
    assert not cells["file"].startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff20"))
    assert cells["file"].removeprefix("'") in (file, file.removeprefix("'"))
    assert float(cells["peak"]) == -1.5
    with Table(path, ANALYSIS) as table:
        assert table.has(file, "a")
        table.append([row(file, "b")])
    assert len(read(path)) == 1
    with Table(path, ANALYSIS) as table:
        assert table.has(file, "b")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_line_feeds_in_names_and_errors_leave_the_table_readable(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"table.{kind}"
    with Table(path, ANALYSIS) as table:
        table.append([row("a\nb", "1"), row("\nc", "2", error="one\ntwo"), row("d", "3")])
        assert len(table) == 3
    with Table(path, ANALYSIS) as table:
        assert (table.has("a\nb", "1"), table.has("\nc", "2"), table.has("d", "3")) == (
            (True, False, True)
        )
        table.append([row("a\nb", "4"), row("\nc", "2")])
        assert len(table) == 3
    with Table(path, ANALYSIS) as table:
        assert (table.has("a\nb", "4"), table.has("\nc", "2")) == (True, True)
        assert len(table) == 3


def test_a_place_that_cannot_be_written_is_named(path: Path) -> None:
    (path.parent / "file").write_text("x")
    inside = path.parent / "file" / path.name
    with pytest.raises(TableError, match=r"cannot be written: .*Name another --table"):
        Table(inside, ANALYSIS)
