"""Many files: what goes wrong with one is in its record, and the others go on."""

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam.batch.files import explain_files


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    """Three pictures named by UID, without extension."""
    paths = [tmp_path / f"1.2.840.{number}" for number in (3, 4, 5)]
    rng = np.random.default_rng(0)
    for path in paths:
        pixels = rng.integers(0, 256, (64, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(path, "PNG")
    return paths


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_pictures_carry_the_whole_name_of_their_file(shared_model, films, tmp_path):
    records = list(explain_files(shared_model, films, tmp_path / "out"))
    for film, record in zip(films, records, strict=True):
        assert {Path(path).name for path in record["outputs"].values()} == {
            f"{film.name}-heatmap.png",
            f"{film.name}-overlay.png",
        }
        assert all(Path(path).exists() for path in record["outputs"].values())


def test_a_full_disk_leaves_no_half_file_and_the_rest_goes_on(
    shared_model, films, tmp_path, monkeypatch
):
    save, calls = Image.Image.save, []

    def full_at_the_second_file(image: Image.Image, target: Path, *args: Any, **options: Any):
        calls.append(target)
        if len(calls) == 4:  # the second picture of the second file
            Path(target).write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(image, target, *args, **options)

    monkeypatch.setattr(Image.Image, "save", full_at_the_second_file)
    first, second, third = explain_files(shared_model, films, tmp_path / "out")
    assert "cannot be saved: No space left on device. Make room" in second["error"]
    assert "outputs" in first
    assert "outputs" in third
    kept = {f"{film.name}-{kind}.png" for film in films[::2] for kind in ("heatmap", "overlay")}
    assert names(tmp_path / "out") == kept


def test_names_that_the_file_system_refuses_are_made_acceptable(shared_model, tmp_path):
    long = tmp_path / ("x" * 251 + ".png")
    Image.fromarray(np.eye(64, dtype=np.uint8) * 255).save(long, "PNG")
    (record,) = explain_files(shared_model, [long], tmp_path / "out")
    assert all(Path(path).exists() for path in record["outputs"].values())


def test_a_name_that_cannot_be_opened_is_a_record(shared_model, films, tmp_path):
    wrong = tmp_path / ("x" * 300)
    first, second = explain_files(shared_model, [wrong, films[0]], tmp_path / "out")
    assert "File name too long" in first["error"]
    assert "outputs" in second
