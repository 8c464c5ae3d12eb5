"""Weights that the commands made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from cxr_gradcam.cli import main
from cxr_gradcam.training import calibration
from tests.helpers.intervals import few_resamples  # noqa: F401 - a fixture


@pytest.fixture(scope="session", autouse=True)
def few_phantoms() -> Iterator[None]:
    """Detectors are fitted to few synthetic pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "PHANTOMS", 8)
        yield


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Small noisy pictures of 60 patients a class, and weights that train and calibrate made.

    Of several processes that run the tests the first one makes them.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of all processes
    folder /= "trained"
    with FileLock(f"{folder}.lock"):
        if not (folder / "weights.safetensors").exists():
            _train(folder)
    return folder / "weights.safetensors", folder / "data"


def _train(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name, level in (("normal", 90), ("pneumonia", 150)):
        (folder / "data" / name).mkdir(parents=True)
        for index in range(60):
            pixels = rng.normal(level, 40, (32, 32)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "data" / name / f"{name}{index}.png")
    weights = folder / "unfinished.safetensors"
    small = {"epochs": 1, "size": 32, "batch-size": 8, "phantoms": 0, "validation-share": 0.3}
    recipe = [f"--{name}={value}" for name, value in small.items()]
    assert main(["train", str(folder / "data"), "--output", str(weights), *recipe]) == 0
    assert main(["calibrate", str(weights), str(folder / "data")]) == 0
    weights.rename(folder / "weights.safetensors")
