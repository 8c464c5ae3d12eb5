"""The measures as results: which radiographs they are taken on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam.evaluation.studies import some_radiographs


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two sources of two classes; the pictures' grey values count up from 0 to 29."""
    grey = iter(range(30))
    for source, count in (("first", 10), ("second", 5)):
        for name in ("normal", "pneumonia"):
            (tmp_path / source / name).mkdir(parents=True)
            for number in range(count):
                picture = Image.new("L", (8, 8), next(grey))
                picture.putpixel((0, 0), 255)
                picture.save(tmp_path / source / name / f"{number}.png")
    return [tmp_path / "first", tmp_path / "second"]


@pytest.mark.parametrize("count", [4, 16, 29, 30, 100])
def test_radiographs_are_spread_over_all_folders_and_classes(
    folders: list[Path], count: int
) -> None:
    greys = [round(255 * float(each.pixels[1, 1])) for each in some_radiographs(folders, count)]
    assert len(set(greys)) == min(count, 30)
    assert (min(greys), max(greys)) == (0, 29)
    gaps = np.diff(greys)
    assert gaps.max() - gaps.min() <= 1
