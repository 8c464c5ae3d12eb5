"""The command line, as it is typed: outputs, JSON, exit statuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam import ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.cam.methods import QUICK_METHODS
from cxr_gradcam.cli import main
from cxr_gradcam.evaluation import localization as localization
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from cxr_gradcam.models.checkpoint import checksum, load_checkpoint
from cxr_gradcam.models.resnet50 import DETAIL


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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Small noisy pictures of 60 patients a class, and weights that train and calibrate made."""
    folder = tmp_path_factory.mktemp("trained")
    rng = np.random.default_rng(0)
    for name, level in (("normal", 90), ("pneumonia", 150)):
        (folder / "data" / name).mkdir(parents=True)
        for index in range(60):
            pixels = rng.normal(level, 40, (32, 32)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "data" / name / f"{name}{index}.png")
    weights = folder / "weights.safetensors"
    small = {"epochs": 1, "size": 32, "batch-size": 8, "phantoms": 0, "validation-share": 0.3}
    recipe = [f"--{name}={value}" for name, value in small.items()]
    assert main(["train", str(folder / "data"), "--output", str(weights), *recipe]) == 0
    assert main(["calibrate", str(weights), str(folder / "data")]) == 0
    return weights, folder / "data"


def test_calibrated_weights_carry_what_was_learnt(trained: tuple[Path, Path]) -> None:
    checkpoint = load_checkpoint(trained[0])
    assert checkpoint.calibration.temperature != 1
    assert checkpoint.calibration.operating_point is not None
    assert checkpoint.calibration.operating_point.class_name == "Pneumonia"
    assert checkpoint.ood_detector is not None
    assert np.isfinite(checkpoint.ood_detector.threshold)
    # older readers load every tensor of the file as a weight
    assert set(checkpoint.state_dict) == set(ResNet50FineTuned(2, weights=None).state_dict())


def test_calibrate_wants_the_folders_of_the_training(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    weights, data = trained
    before = weights.read_bytes()
    fewer = tmp_path / data.name
    shutil.copytree(data, fewer)
    (fewer / "normal" / "normal0.png").unlink()
    status, _, errors = run(capsys, "calibrate", weights, fewer)
    assert status == 2
    assert "was not trained on these folders" in errors
    assert weights.read_bytes() == before


def test_evaluate_prints_figures_and_writes_a_report(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    weights, data = trained
    report = tmp_path / "report"
    status, lines, _ = run(capsys, "evaluate", weights, data, "--json", "--report", report)
    assert (status, len(lines)) == (0, 1)
    figures = json.loads(lines[0])
    assert figures["findings"]["Pneumonia"]["groups"]["all"]["images"] == 120
    assert figures["weights_sha256"] == checksum(weights)
    assert figures == json.loads((report / "figures.json").read_text())
    assert len(list(report.glob("*.png"))) == 4
    status, lines, _ = run(capsys, "evaluate", data, "--weights", weights)
    assert status == 0
    assert any("sensitivity" in line for line in lines)


@pytest.mark.parametrize("measure", ["faithfulness", "sanity", "outliers"])
def test_evaluate_measures_maps_and_gate(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str], measure: str
) -> None:
    weights, data = trained
    arguments = ("evaluate", weights, data, f"--{measure}", "--count", 2)
    status, lines, _ = run(capsys, *arguments, "--json")
    assert status == 0
    result = json.loads(lines[-1])
    assert set(result) == {"weights_sha256", "title", "about", "rows"}
    assert len({tuple(row) for row in result["rows"]}) == 1


def test_evaluate_localises_in_boxes(
    trained: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(localization, "SLOW_CASES", 0)
    weights, data = trained
    table = tmp_path / "boxes.csv"
    table.write_text("image,finding,x,y,w,h\npneumonia0.png,Pneumonia,0,0,32,32\n")
    words = ("--localisation", "--boxes", table, "--images", data / "pneumonia", "--json")
    status, lines, _ = run(capsys, "evaluate", weights, *words)
    assert status == 0
    rows = json.loads(lines[-1])["rows"]
    measured = {(row["method"], row["detail"]) for row in rows}
    assert {(method, detail) for method in QUICK_METHODS for detail in DETAIL} < measured
    assert rows[-1]["method"] == "chance"
    # the box is the whole image: a map that is not empty lies inside
    assert rows[-1]["hit rate"]["value"] == rows[-1]["energy"]["value"] == 1


def test_evaluate_wants_a_folder(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, errors = run(capsys, "evaluate", trained[0])
    assert status == 2
    assert "no folder" in errors


def test_demo_shows_four_things_and_saves_a_figure(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, lines, _ = run(capsys, "demo", "--output", tmp_path / "demo.png")
    assert status == 0
    assert [line[:2] for line in lines if line[0].isdigit()] == ["1.", "2.", "3.", "4."]
    with Image.open(tmp_path / "demo.png") as figure:
        assert figure.width > 2 * figure.height
