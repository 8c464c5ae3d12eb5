"""`--model`: anybody's weights on every command, and what is said of them."""

from __future__ import annotations

import argparse
import json
import pickle
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from cxr_gradcam import (
    CheckpointError,
    ResNet50FineTuned,
    explain,
    load_model,
    read_radiograph,
)
from cxr_gradcam.bundled import example_files
from cxr_gradcam.cli.weights import add_models, models_of
from tests.helpers.command_line import run

FILM = example_files()[0]
SMALL = ("--input-size", "64")
pytestmark = pytest.mark.usefixtures("few_resamples")


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's DenseNet121 of three findings, as a data-parallel training leaves it."""
    torch.manual_seed(0)
    network = torchvision.models.densenet121(num_classes=3)
    path = tmp_path_factory.mktemp("weights") / "findings.pth.tar"
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, path)
    return path


@pytest.fixture(scope="module")
def resnet50(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "own.safetensors"
    save_file(torchvision.models.resnet50(num_classes=2).state_dict(), path)
    return path


def explained(capsys, tmp_path, *words: object) -> tuple[dict, str]:
    status, lines, errors = run(
        capsys, "explain", FILM, "--output", tmp_path, "--json", *SMALL, *words
    )
    assert status == 0, errors
    return json.loads(lines[0]), errors


def test_explain_takes_anybodys_weights_and_names_what_was_assumed(
    findings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, errors = explained(
        capsys, tmp_path, "--model", findings, "--multi-label", "--classes", "Mass,Nodule,Edema"
    )
    assert [*record["probabilities"]] == ["Mass", "Nodule", "Edema"]
    assert record["verdict"] is None
    assert record["is_familiar"] is None
    assert record["is_calibrated"] is False
    assert record["assumptions"] == ["ImageNet statistics assumed"]
    assert "note: findings: ImageNet statistics assumed" in errors
    assert "nothing is calibrated" in errors
    assert Path(record["outputs"]["overlay"]).exists()


def test_what_is_told_is_not_assumed(
    findings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ("--no-multi-label", "--classes", "a,b,c", "--mean", "0.5", "--std", "0.2,0.2,0.2")
    record, errors = explained(capsys, tmp_path, "--weights", findings, *said)
    assert record["assumptions"] == []
    assert sum(record["probabilities"].values()) == pytest.approx(1)
    assert "assumed" not in errors


def test_the_bundled_weights_need_no_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, lines, errors = run(capsys, "explain", FILM, "--output", tmp_path, "--json")
    assert status == 0
    record = json.loads(lines[0])
    assert record["is_calibrated"] is True
    assert record["assumptions"] == []
    assert "note" not in errors


def test_a_line_of_an_uncalibrated_model_says_so(
    findings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, lines, _ = run(capsys, "explain", FILM, "--output", tmp_path, *SMALL, "--model", findings)
    assert lines[0].endswith("(not calibrated)")


def test_a_table_tells_weights_that_are_used_otherwise_apart(
    resnet50: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    ask = ("explain", FILM, "--table", table, "--model", resnet50)
    run(capsys, *ask, "--input-size", "64")
    run(capsys, *ask, "--input-size", "64")
    run(capsys, *ask, "--input-size", "96")
    _, *rows = table.read_text("utf-8").splitlines()
    assert len(rows) == 2
    assert len({row.split(",")[2] for row in rows}) == 1  # the same weights


def test_a_report_says_that_nothing_is_calibrated(
    findings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, _ = explained(capsys, tmp_path, "--model", findings, "--report", "json")
    report = json.loads(Path(record["outputs"]["report"]).read_text("utf-8"))
    assert report["is_calibrated"] is False
    assert report["model"]["name"] == "findings"
    assert len(report["model"]["checksum"]) == 64
    assert report["model"]["measured"] == []


def test_a_detail_that_the_model_has_not_is_refused(
    findings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--detail", "finest", "--model", findings, *SMALL)
    status, _, errors = run(capsys, "explain", FILM, "--output", tmp_path, *asked)
    assert status == 2
    assert "coarse" in errors.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--classes", "a,b"), "2 class names for 3 classes"),
        (("--input-size", "0"), "an input of 0 pixels"),
        (("--mean", "0.5,0.5"), "2 numbers of the mean for a network of 3 channels"),
        (("--std", "0"), "above 0"),
        (("--architecture", "resnet18"), "resnet18"),
    ],
)
def test_what_does_not_fit_is_one_line(
    words: tuple[str, ...],
    said: str,
    findings: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ("explain", FILM, "--output", tmp_path, "--model", findings)
    status, _, errors = run(capsys, *asked, *words)
    assert status == 2
    assert errors.startswith("error: ")
    assert len(errors.splitlines()) == 1
    assert said in errors


@pytest.mark.slow
def test_evaluate_measures_anybodys_weights(
    findings: Path, trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    said = ("--classes", "normal,pneumonia,other", "--input-size", "64")
    status, lines, errors = run(capsys, "evaluate", findings, trained[1], "--json", *said)
    assert status == 0, errors
    summary = json.loads(lines[0])
    assert [*summary["findings"]] == ["pneumonia", "other"]
    assert len(summary["weights_sha256"]) == 64
    assert "ImageNet statistics assumed" in summary["assumptions"]


def test_studies_that_need_a_resnet50_say_so(
    findings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, errors = run(capsys, "evaluate", findings, "--sanity", *SMALL)
    assert status == 2
    assert "ResNet50" in errors.splitlines()[-1]


def test_demo_shows_anybodys_weights(
    findings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = tmp_path / "figure.png"
    status, lines, _ = run(capsys, "demo", "--output", figure, "--model", findings, *SMALL)
    assert status == 0
    assert lines[0].startswith("Explained: class")
    assert figure.exists()


@pytest.mark.slow
def test_a_training_starts_from_anybodys_resnet50(
    resnet50: Path, findings: Path, trained: tuple[Path, Path], tmp_path: Path, capsys
) -> None:
    small = ("--epochs", "1", "--size", "32", "--batch-size", "8", "--phantoms", "0")
    start = ("train", trained[1], "--output", tmp_path / "new.safetensors", *small)
    status, _, errors = run(capsys, *start, "--learning-rate", "1e-9", "--model", resnet50)
    assert status == 0, errors
    before = load_model(resnet50).state_dict()["resnet50.conv1.weight"]
    after = ResNet50FineTuned.from_checkpoint(tmp_path / "new.safetensors").state_dict()
    torch.testing.assert_close(after["resnet50.conv1.weight"], before, atol=1e-3, rtol=1e-3)
    status, _, errors = run(capsys, *start, "--weights", findings)
    assert status == 2
    assert "densenet121" in errors


@pytest.mark.slow
def test_calibrate_fits_a_network_that_is_no_resnet50(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(num_classes=2).state_dict(), tmp_path / "old.pth")
    output = tmp_path / "new.safetensors"
    said = ("--classes", "normal,pneumonia", "--input-size", "32")
    assert run(capsys, "convert", tmp_path / "old.pth", "--output", output, *said)[0] == 0
    status, _, errors = run(capsys, "calibrate", output, trained[1], "--validation-share", "0.3")
    assert status == 0, errors
    model = load_model(output)
    assert model.calibration.is_fitted
    assert model.ood_detector is not None
    prediction = explain(model, read_radiograph(FILM)).prediction
    assert prediction.verdict is not None
    assert prediction.ood_score is not None
    assert prediction.is_calibrated


def test_findings_that_can_be_true_at_once_are_not_calibrated(
    findings: Path, trained: tuple[Path, Path], tmp_path: Path, capsys
) -> None:
    output = tmp_path / "new.safetensors"
    said = ("--multi-label", "--input-size", "64")
    assert run(capsys, "convert", findings, "--output", output, *said)[0] == 0
    fit = ("calibrate", output, trained[1], "--validation-share", "0.3")
    status, _, errors = run(capsys, *fit)
    assert status == 2
    assert "several things at once" in errors


@pytest.mark.slow
def test_what_train_made_of_another_network_is_loaded(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "small.safetensors"
    small = ("--epochs", "1", "--size", "32", "--batch-size", "8", "--phantoms", "0")
    named = ("--network", "torchvision:resnet18")
    status, _, errors = run(capsys, "train", trained[1], "--output", output, *small, *named)
    assert status == 0, errors
    model = load_model(output)
    assert model.class_names == ("Normal", "Pneumonia")
    assert model.assumptions == ()


def test_actors_of_a_cluster_get_a_copy_of_any_model(findings: Path) -> None:
    model = load_model(findings, input_size=64)
    again = pickle.loads(pickle.dumps(model))
    film = read_radiograph(FILM)
    first, second = (explain(each, film, "class 1") for each in (model, again))
    assert (first.heatmap == second.heatmap).all()
    assert again.provenance == model.provenance


def page_models(*words: object, variable: str = "") -> dict[str, ResNet50FineTuned]:
    parser = argparse.ArgumentParser()
    add_models(parser)
    return models_of(parser.parse_args([*map(str, words)]), {"CXR_GRADCAM_MODEL": variable})


def test_the_page_takes_several_models_by_name(findings: Path, resnet50: Path) -> None:
    assert [*page_models()] == ["cxr_resnet50"]
    models = page_models("--model", f"Findings of adults={findings}", "--model", resnet50)
    assert [*models] == ["Findings of adults", "own"]


def test_a_variable_names_the_models_of_a_space(findings: Path, resnet50: Path) -> None:
    models = page_models(variable=f"bundled, adults={findings}")
    assert [*models] == ["cxr_resnet50", "adults"]
    assert [*page_models("--model", resnet50, variable=str(findings))] == ["own"]


def test_a_path_with_an_equals_sign_is_a_path(resnet50: Path, tmp_path: Path) -> None:
    path = tmp_path / "lr=0.1" / "a=b.safetensors"
    path.parent.mkdir()
    path.symlink_to(resnet50)
    assert [*page_models("--model", path)] == ["a=b"]


def test_what_is_said_of_several_models_is_ambiguous(findings: Path, resnet50: Path) -> None:
    with pytest.raises(ValueError, match="convert"):
        page_models("--model", findings, "--model", resnet50, "--classes", "a,b")
    with pytest.raises(ValueError, match="two models are called own"):
        page_models("--model", resnet50, "--model", resnet50)
    with pytest.raises(CheckpointError, match="no weights at nowhere"):
        page_models("--model", "nowhere.pth")
