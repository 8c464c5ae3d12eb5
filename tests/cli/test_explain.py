"""`explain`, as it is typed: outputs, JSON, exit statuses."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import sleep

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from cxr_gradcam import ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from cxr_gradcam.models.stages import DETAIL
from tests.golden.network import write_network
from tests.helpers.command_line import run


def test_explain_prints_json_and_saves_what_python_renders(
    capsys: pytest.CaptureFixture[str], xray: Path, tmp_path: Path
) -> None:
    words = ("--output", tmp_path, "--class", "normal", "--alpha", 0.3, "--colormap", "inferno")
    status, lines, errors = run(capsys, "explain", xray, *words, "--json")
    assert (status, errors, len(lines)) == (0, "", 1)
    record = json.loads(lines[0])
    radiograph = read_radiograph(xray)
    model = ResNet50FineTuned.from_checkpoint()
    expected = explain(model, radiograph, "Normal", layers=DETAIL["fine"])
    assert record["file"] == str(xray)
    assert record["class_name"] == "Normal"
    assert record["method"] == "gradcam"
    assert record["probabilities"] == expected.probabilities
    assert record["predicted_class"] == expected.predicted_class
    pictures = {
        "heatmap": colorize(expected.heatmap, "inferno"),
        "overlay": overlay(as_rgb(radiograph.pixels), expected.heatmap, 0.3, "inferno"),
    }
    for name, picture in pictures.items():
        with Image.open(record["outputs"][name]) as saved:
            np.testing.assert_array_equal(np.asarray(saved), picture)


def test_explain_covers_a_place_and_changes_a_little(
    capsys: pytest.CaptureFixture[str], xray: Path, tmp_path: Path
) -> None:
    words = ("--output", tmp_path, "--cover", "hottest", "--steadiness")
    status, lines, errors = run(capsys, "explain", xray, *words, "--json")
    assert (status, errors) == (0, "")
    record = json.loads(lines[0])
    covered, name = record["covered"], record["class_name"]
    assert covered["place"] == "the hottest place"
    assert covered["probabilities"][name] != record["probabilities"][name]
    assert covered["words"].endswith("with the hottest place covered")
    assert record["steadiness"]["word"] in ("steady", "wavering", "unsteady")
    original = as_rgb(read_radiograph(xray).pixels)
    for kind in ("covered", "covered-overlay"):
        with Image.open(record["outputs"][kind]) as saved:
            assert np.asarray(saved).shape == original.shape
            assert (np.asarray(saved) != original).any()


@pytest.mark.parametrize("option", ["--cover=hottest", "--steadiness"])
def test_what_asks_more_of_each_file_needs_a_folder(
    capsys: pytest.CaptureFixture[str], xray: Path, tmp_path: Path, option: str
) -> None:
    status, _, errors = run(capsys, "explain", xray, option, "--table", tmp_path / "t.csv")
    assert status == 2
    assert "name a folder by --output" in errors


def test_explain_goes_on_after_a_bad_file(
    capsys: pytest.CaptureFixture[str], xray: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    status, lines, errors = run(
        capsys, "explain", bad, xray, "--output", tmp_path / "out", "--json"
    )
    records = [json.loads(line) for line in lines]
    assert status == 1
    assert [record["file"] for record in records] == [str(bad), str(xray)]
    assert "no image" in records[0]["error"]
    assert "outputs" in records[1]
    assert errors.count("\n") == 1


def test_one_bad_file_alone_is_a_failed_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, lines, errors = run(capsys, "explain", tmp_path / "missing.png", "--output", tmp_path)
    assert (status, lines) == (2, [])
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--class", "cat"), "the model knows Normal, Pneumonia"),
        (("--opacity", "1.5"), "opacity is a number from 0 to 1, not 1.5"),
        (("--rather-than", "Normal"), "name the first by --class"),
        (("--class", "Normal", "--rather-than", "normal"), "contrasted with itself"),
        (("--weights", "none.safetensors"), "no weights at none.safetensors"),
        (("--remark", "seen"), "add --report"),
        (("--report", "--remark", "x" * 5001), "The remark has 5,001 characters"),
        (("--output", "out", "--report", "--remark", "右下"), "The remark has letters"),
        (("--cover", "heart"), "'heart' is no place to cover: write x,y,w,h"),
        (("--table", "table.xls"), "let it end in .csv, .jsonl, .parquet"),
        (("--files-from", "no.txt"), "No such file"),
        (("--ray",), "with --ray give --table, no --output"),
        (("--actors", "2"), "add --ray"),
    ],
)
def test_a_wrong_word_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str],
    xray: Path,
    tmp_path: Path,
    words: tuple[str, ...],
    message: str,
) -> None:
    status, lines, errors = run(capsys, "explain", xray, "--output", tmp_path, *words)
    assert (status, lines) == (2, [])
    assert message in errors
    assert errors.count("\n") == 1


def test_a_table_at_a_uri_is_refused(capsys: pytest.CaptureFixture[str], xray: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        run(capsys, "explain", xray, "--table", "s3://bucket/table.parquet")
    assert ended.value.code == 2
    assert "a table is written to a disk" in capsys.readouterr().err


def test_neither_pictures_nor_table_is_told(
    capsys: pytest.CaptureFixture[str], xray: Path, tmp_path: Path
) -> None:
    status, _, errors = run(capsys, "explain", xray)
    assert (status, "name a folder for pictures by --output, a --table, or both" in errors) == (
        2,
        True,
    )
    status, _, errors = run(capsys, "explain", xray, "--table", tmp_path / "t.csv", "--dicom")
    assert (status, "name a folder by --output" in errors) == (2, True)
    status, _, errors = run(capsys, "explain", "--table", tmp_path / "t.csv")
    assert (status, "name radiographs" in errors) == (2, True)
    (tmp_path / "empty").mkdir()
    status, _, errors = run(capsys, "explain", tmp_path / "empty", "--table", tmp_path / "t.csv")
    assert (status, "no files in" in errors) == (2, True)


def films(folder: Path, xray: Path, count: int) -> None:
    """So many different pictures."""
    folder.mkdir()
    with Image.open(xray) as opened:
        picture = opened.convert("L")
    for number in range(count):
        picture.crop((0, 0, picture.width - number, picture.height)).save(folder / f"{number}.png")


def test_a_second_run_does_what_is_missing_or_changed(
    capsys: pytest.CaptureFixture[str], xray: Path, tmp_path: Path
) -> None:
    folder, table = tmp_path / "films", tmp_path / "table.csv"
    films(folder, xray, 3)
    (folder / "bad.png").write_text("no image")
    (folder / "labels.txt").write_text("no image either")
    words = ("explain", folder, "--table", table)
    status, lines, errors = run(capsys, *words)
    assert (status, lines) == (1, [f"{table}: 3 explained, 1 failed, 1 no pictures"])
    assert "bad.png" in errors
    (folder / "0.png").replace(folder / "1.png")  # one is gone, one has changed
    (folder / "bad.png").unlink()
    status, lines, errors = run(capsys, *words)
    assert (status, errors) == (0, "")
    assert lines == [f"{table}: 1 explained, 1 done before, 1 no pictures"]
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["file"]).name for row in rows] == ["0.png", "2.png", "bad.png", "1.png"]


def test_a_list_names_files_and_the_table_is_the_same_in_every_format(
    capsys: pytest.CaptureFixture[str], xray: Path, tmp_path: Path
) -> None:
    from pyarrow import parquet

    films(tmp_path / "films", xray, 2)
    (tmp_path / "list.txt").write_text(f"{tmp_path / 'films'}\n{xray}\n", encoding="utf-8")
    for ending in ("csv", "jsonl", "parquet"):
        table = tmp_path / f"table.{ending}"
        words = ("--files-from", tmp_path / "list.txt", "--table", table, "--class", "pneumonia")
        assert run(capsys, "explain", *words)[:2] == (0, [f"{table}: 3 explained"])
    rows = parquet.read_table(tmp_path / "table.parquet").to_pylist()
    lines = (tmp_path / "table.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        texts = list(csv.DictReader(file))
    for row, text in zip(rows, texts, strict=True):
        assert row["class_name"] == "Pneumonia"
        assert float(text["probability_Pneumonia"]) == row["probability_Pneumonia"]
        assert float(text["peak_x"]) == row["peak_x"]
        assert text["layers"] == row["layers"] == "resnet50.layer4.2.conv3"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGKILL, marks=pytest.mark.slow), signal.SIGINT]
)
def test_an_interrupted_run_loses_at_most_the_batch_in_hand(
    capsys: pytest.CaptureFixture[str], xray: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder, table, count = tmp_path / "films", tmp_path / "table.csv", 40
    films(folder, xray, count)
    pipe = folder / "35.png"  # the run waits here, with two batches behind it, until it is stopped
    content = pipe.read_bytes()
    pipe.unlink()
    os.mkfifo(pipe)
    names = [str(folder / f"{index}.png") for index in range(count)]
    weights = write_network(tmp_path / "small.safetensors")
    words = ["explain", *names, "--table", str(table), "--model", str(weights)]
    with subprocess.Popen([sys.executable, "-m", "cxr_gradcam", *words]) as process:
        while lines_of(table) < 17:
            assert process.poll() is None
            sleep(0.01)
        process.send_signal(number)
        while process.poll() is None:  # what is being read is read to its end
            with suppress(OSError):  # nobody reads yet
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
            sleep(0.01)
        assert process.returncode == (130 if number == signal.SIGINT else -number)
    done = lines_of(table) - 1
    assert done in (16, 32)  # whole batches; the second may have been ready when the signal came
    pipe.unlink()
    pipe.write_bytes(content)
    status, lines, _ = run(capsys, *words)
    assert (status, lines) == (0, [f"{table}: {count - done} explained, {done} done before"])
    with table.open(newline="") as file:
        assert len({row["file"] for row in csv.DictReader(file)}) == count


def lines_of(table: Path) -> int:
    return table.read_bytes().count(b"\n") if table.exists() else 0


@pytest.mark.parametrize("report", ["json", "pdf"])
def test_a_report_says_how_the_map_is_displayed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, xray: Path, report: str
) -> None:
    display = ("--style", "contours", "--threshold", "0.3", "--colormap", "viridis")
    words = ("--output", tmp_path, "--report", report, *display, "--json")
    status, lines, _ = run(capsys, "explain", xray, *words)
    assert status == 0
    path = Path(json.loads(lines[0])["outputs"]["report"])
    said = path.read_text() if report == "json" else text_of(path)
    assert "contours at 50, 75 and 90 % of the map's maximum" in said
    assert "nothing below 30 % of the map's maximum" in said
    assert "viridis" in said
    assert "opacity" not in said


def text_of(pdf: Path) -> str:
    """The text that can be selected, with one space for any white space."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(pdf).pages).split())


def test_explain_writes_a_report_that_names_no_file(
    capsys: pytest.CaptureFixture[str], xray: Path, tmp_path: Path
) -> None:
    film = tmp_path / "Roe Jane 1950.png"
    film.write_bytes(xray.read_bytes())
    words = ("--output", tmp_path, "--report", "--paper", "letter", "--title", "Größe", "--json")
    status, lines, errors = run(capsys, "explain", film, *words)
    assert (status, errors) == (0, "")
    path = Path(json.loads(lines[0])["outputs"]["report"])
    assert path == tmp_path / "Roe Jane 1950-report.pdf"
    reader = PdfReader(path)
    text = reader.pages[0].extract_text()
    assert "Größe" in text
    assert "Pneumonia" in text
    assert not any(name in text + str(reader.metadata) for name in ("Roe", str(tmp_path)))
    status, lines, _ = run(
        capsys, "explain", film, "--output", tmp_path, "--report", "json", "--json"
    )
    said = json.loads(Path(json.loads(lines[0])["outputs"]["report"]).read_text("utf-8"))
    assert said["probabilities"] == json.loads(lines[0])["probabilities"]
    assert "Roe" not in str(said)
