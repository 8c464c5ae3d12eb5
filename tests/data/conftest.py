"""A folder of radiographs as a training takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight patients of each class, one grey picture each; no two pictures are the same."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("NORMAL", "PNEUMONIA"):
        (folder / name).mkdir()
        for patient in range(8):
            grey = patient + (100 if name == "PNEUMONIA" else 0)
            Image.new("L", (16, 16), grey).save(folder / name / f"{name[0]}{patient}.png")
    return folder
