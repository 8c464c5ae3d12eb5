"""Tests of the benchmarks' statistics, and of the packed set for a training elsewhere."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from benchmarks import training
from benchmarks.timing import interleave, median_ratio


def test_contenders_take_turns_and_the_warm_up_does_not_count():
    calls = []

    def measure(name):
        calls.append(name)
        return float(len(calls))

    figures = interleave({"a": lambda: measure("a"), "b": lambda: measure("b")}, 2, warm_up=1)
    assert calls == ["a", "b", "a", "b", "a", "b"]
    assert figures == {"a": [3, 5], "b": [4, 6]}


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="0 rounds"):
        interleave({"a": lambda: 1.0}, 0)


def test_ratio_is_taken_round_by_round():
    # A slow round slows both: ratios 2, 3 and 2, though the ratio of the medians is 3.
    assert median_ratio([2, 3, 200], [1, 1, 100]) == 2


def drawn_set(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("NORMAL", "PNEUMONIA"):
        (tmp_path / "films" / name).mkdir(parents=True)
        for index in range(3):
            pixels = rng.normal(120, 30, (40, 50)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "films" / name / f"patient {index}.png")
    (tmp_path / "films" / "reads.csv").write_text("image\n")
    (tmp_path / "films" / "notes.txt").write_text("not sent")
    (tmp_path / "held-out.csv").write_text("patient\n")
    return tmp_path / "films"


def test_a_packed_set_has_the_folders_names_and_tables(tmp_path):
    films, packed = drawn_set(tmp_path), tmp_path / "set.zip"
    words = ["pack", packed, films, "--also", tmp_path / "held-out.csv", "--size", 16]
    assert training.main([str(word) for word in words]) == 0
    with ZipFile(packed) as archive:
        names = sorted(archive.namelist())
        with Image.open(archive.open("films/NORMAL/patient 0.png")) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (16, 16), "L")
    radiographs = [
        f"films/{name}/patient {i}.png" for name in ("NORMAL", "PNEUMONIA") for i in "012"
    ]
    assert names == [*radiographs, "films/reads.csv", "held-out.csv"]
    with pytest.raises(SystemExit, match="6 X-rays of 16 pixels do not fit into 0 MB"):
        training.main([str(word) for word in (*words, "--megabytes", 0.0001)])


def test_teachers_student_and_calibration_get_the_options_that_they_take(tmp_path, monkeypatch):
    films, packed, calls = drawn_set(tmp_path), tmp_path / "set.zip", []
    training.main(["pack", str(packed), str(films), "--size", "16"])

    def command(words):
        assert Path("films/NORMAL/patient 0.png").exists()
        calls.append(words)
        return 0

    monkeypatch.setattr(training, "command", command)
    given = ["a=films", "--reads", "films/reads.csv", "--size", "64"]
    out = tmp_path / "out"
    assert (
        training.main(
            [
                "run",
                str(packed),
                str(out),
                "--teacher",
                "timm:x=w.pth",
                "--epochs",
                "2",
                "5",
                "--",
                *given,
            ]
        )
        == 0
    )
    teacher, student = str(out / "teacher-0.safetensors"), str(out / "student.safetensors")
    network = ["--network", "timm:x", "--weights", "w.pth", "--output", teacher, "--epochs", "2"]
    taught = ["--weights", "bundled", "--epochs", "5", "--output", student, "--teacher", teacher]
    assert calls == [
        ["train", *given, *network],
        ["train", *given, *taught],
        ["calibrate", student, "a=films", "--reads", "films/reads.csv"],
    ]
