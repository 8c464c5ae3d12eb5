"""A tiny folder to train on, and one thread to train with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums then come in one order, and two runs give the same bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen patients: noise that is dark in one class and bright in the other."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name, level in {"NORMAL": 60, "PNEUMONIA": 180}.items():
        (folder / name).mkdir()
        for patient in range(8):
            pixels = rng.normal(level, 20, (48, 64)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name[0]}{patient}.png")
    return folder
