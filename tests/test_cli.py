"""The command line, as it is typed: outputs, JSON, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam import ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.batch import unique_stems
from cxr_gradcam.cli import main
from cxr_gradcam.phantom import draw_phantom
from cxr_gradcam.render import as_rgb, colorize, overlay


@pytest.fixture(scope="module")
def xray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("xrays") / "chest.png"
    pixels = draw_phantom(1, size=128, opacity=True).pixels[:100]
    Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str], str]:
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err


def test_explain_prints_json_and_saves_what_python_renders(
    capsys: pytest.CaptureFixture[str], xray: Path, tmp_path: Path
) -> None:
    words = ("--output", tmp_path, "--class", "normal", "--alpha", 0.3, "--colormap", "inferno")
    status, lines, errors = run(capsys, "explain", xray, *words, "--json")
    assert (status, errors, len(lines)) == (0, "", 1)
    record = json.loads(lines[0])
    radiograph = read_radiograph(xray)
    expected = explain(ResNet50FineTuned.from_checkpoint(), radiograph, "Normal")
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
        (("--alpha", "1.5"), "opacity from 0 to 1"),
        (("--rather-than", "Normal"), "name the first by --class"),
        (("--class", "Normal", "--rather-than", "normal"), "contrasted with itself"),
        (("--weights", "none.safetensors"), "no weights at none.safetensors"),
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


def test_files_of_one_name_do_not_overwrite_each_other() -> None:
    names = ["a/x.png", "b/x.dcm", "c/x-2.png", "d/x.png"]
    stems = unique_stems([Path(name) for name in names])
    assert stems == ["x", "x-2", "x-2-2", "x-3"]


def test_train_then_evaluate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(6):
            pixels = rng.integers(0, 255, (32, 32), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{name}{index}.png")
    weights = tmp_path / "weights.safetensors"
    small = {"epochs": 1, "size": 32, "batch-size": 4, "phantoms": 0, "validation-share": 0.4}
    recipe = [f"--{name}={value}" for name, value in small.items()]
    status, lines, _ = run(capsys, "train", tmp_path / "data", "--output", weights, *recipe)
    assert status == 0
    assert "validation AUC" in lines[-1]
    status, lines, _ = run(capsys, "evaluate", tmp_path / "data", "--weights", weights, "--json")
    assert (status, len(lines)) == (0, 1)
    figures = json.loads(lines[0])
    assert figures["images"] == 12
    assert set(figures["classes"]) == {"A", "B"}


def test_demo_shows_four_things_and_saves_a_figure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, lines, _ = run(capsys, "demo", "--output", tmp_path / "demo.png")
    assert status == 0
    assert [line[:2] for line in lines if line[0].isdigit()] == ["1.", "2.", "3.", "4."]
    with Image.open(tmp_path / "demo.png") as figure:
        assert figure.width > 2 * figure.height
