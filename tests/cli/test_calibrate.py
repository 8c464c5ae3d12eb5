"""`train` and `calibrate`, as they are typed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.models.checkpoint import load_checkpoint
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
