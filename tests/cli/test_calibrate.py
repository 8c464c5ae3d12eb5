"""`train` and `calibrate`, as they are typed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.models.checkpoint import load_checkpoint, save_checkpoint
from tests.helpers.command_line import run


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


@pytest.mark.slow
def test_weights_that_do_not_say_how_they_were_trained_need_the_share(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    weights, data = trained
    foreign = tmp_path / "foreign.safetensors"
    stored = load_checkpoint(weights)
    save_checkpoint(foreign, replace(stored, training={}, ood_detector=None))
    status, _, errors = run(capsys, "calibrate", foreign, data)
    assert status == 2
    assert "--validation-share" in errors
    status, lines, _ = run(capsys, "calibrate", foreign, data, "--validation-share", 0.3)
    assert status == 0
    again = load_checkpoint(foreign)
    assert again.calibration == stored.calibration
    assert again.ood_detector is not None
    assert again.ood_detector.upside_down is not None
    assert any("uncertain" in line for line in lines)


@pytest.mark.slow
def test_a_teacher_and_its_student_are_trained(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, data = trained
    small = ("--epochs", 1, "--size", 32, "--batch-size", 8, "--phantoms", 0)
    teacher, student = tmp_path / "teacher.safetensors", tmp_path / "student.safetensors"
    name = "torchvision:mobilenet_v3_small"
    status, _, _ = run(capsys, "train", data, "--network", name, "--output", teacher, *small)
    assert status == 0
    words = ("train", data, "--teacher", teacher, "--output", student, *small)
    assert run(capsys, *words)[0] == 0
    training = load_checkpoint(student).training
    assert training["teachers"] == ["teacher.safetensors"]
    assert training["network"] is None
    assert load_checkpoint(teacher).training["network"] == name
    assert run(capsys, "evaluate", teacher, data)[0] == 0
