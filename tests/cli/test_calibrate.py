"""`train` and `calibrate`, as they are typed."""

from __future__ import annotations

import re
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


def test_weights_are_recalibrated_to_ones_own_x_rays(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    weights, data = trained
    out, before = tmp_path / "own.safetensors", weights.read_bytes()
    words = ("calibrate", weights, data, "--recalibrate", out)
    status, lines, _ = run(capsys, *words, "--prevalence", 0.5)
    assert status == 0
    assert weights.read_bytes() == before
    stored, own = load_checkpoint(weights), load_checkpoint(out)
    assert own.calibration.offsets[0] == 0
    assert own.calibration.operating_point is not None
    assert replace(own, state_dict={}, calibration=stored.calibration, ood_detector=None) == (
        replace(stored, state_dict={}, ood_detector=None)
    )
    said = " ".join(lines)
    assert "120 X-rays of 120 patients, 60 with Pneumonia" in said
    assert "Pneumonia expected in 50% of them, seen in 50%" in said.split("after")[1]
    counts = [int(each) for each in re.findall(r"(?:likely|uncertain) (\d+) \(", said)]
    assert sum(counts) == 240  # each before, and each in its turn after


def test_too_few_patients_are_not_recalibrated_to(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    weights, data = trained
    few = tmp_path / "few"
    for name in ("normal", "pneumonia"):
        (few / name).mkdir(parents=True)
        for path in sorted((data / name).iterdir())[: 4 if name == "pneumonia" else 9]:
            shutil.copy(path, few / name)
    words = ("calibrate", weights, few, "--recalibrate", tmp_path / "own.safetensors")
    status, _, errors = run(capsys, *words)
    assert status == 2
    assert "4 patients with Pneumonia are too few" in errors
    assert not (tmp_path / "own.safetensors").exists()
    with pytest.raises(SystemExit):
        run(capsys, *words, "--prevalence", 1)


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
