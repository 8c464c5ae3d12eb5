"""`explain`, as it is typed: outputs, JSON, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam import ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from cxr_gradcam.models.stages import DETAIL
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
