"""Weights that the commands made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
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
