"""`train`, `calibrate` and `evaluate` on a folder that others made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam import load_model
from cxr_gradcam.models.checkpoint import load_checkpoint
from tests.helpers.command_line import run

pytestmark = pytest.mark.usefixtures("few_resamples")

SMALL = [
    f"--{name}={value}"
    for name, value in {"epochs": 1, "size": 32, "batch-size": 8, "phantoms": 0}.items()
] + ["--network=torchvision:resnet18"]


def make(root: Path, classes: dict[str, int], patients: dict[str, int]) -> Path:
    """Noise around a level per class; two views of each patient, whose names repeat."""
    rng = np.random.default_rng(0)
    number = 0
    for part, count in patients.items():
        for name, level in classes.items():
            for _ in range(count):
                number += 1
                for view in ("view1_frontal.png", "view2_frontal.png"):
                    pixels = rng.normal(level, 40, (32, 32)).clip(0, 255).astype(np.uint8)
                    path = root / part / name / f"patient{number:05d}" / "study1" / view
                    path.parent.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).save(path)
    return root


@pytest.mark.slow
def test_parts_patients_and_the_finding_are_told_throughout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make(tmp_path / "root", {"COVID": 150, "NORMAL": 90}, {"train": 20, "val": 6, "test": 4})
    weights = tmp_path / "weights.safetensors"
    status, _, said = run(capsys, "train", root, "--output", weights, *SMALL)
    assert status == 0
    assert "80 for training, 24 for validation, 16 for test (not used)" in said
    assert "52 patients with 104 X-rays, 2 each; patients are told by folders as in CheX" in said
    assert "the finding is Covid" in said
    stored = load_checkpoint(weights)
    assert (stored.class_names, stored.finding) == (("Covid", "Normal"), "Covid")
    assert (stored.training["training_images"], stored.training["validation_images"]) == (80, 24)
    status, lines, said = run(capsys, "calibrate", weights, root)
    assert status == 0
    assert "52 patients" in said
    assert any("Covid called from" in line for line in lines)
    status, lines, said = run(capsys, "evaluate", weights, root, "--json")
    assert status == 0
    figures = json.loads(lines[-1])
    assert list(figures["findings"]) == ["Covid"]
    everybody = figures["findings"]["Covid"]["groups"]["all"]
    assert (everybody["images"], everybody["patients"], everybody["with_finding"]) == (16, 8, 8)
    assert figures["notes"] == [line for line in said.splitlines() if line]
    assert "104 X-rays" not in said
    assert "16 for test" in said


def test_a_finding_that_is_not_clear_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path / "two", {"bacteria": 150, "virus": 90}, {"": 8})
    weights = tmp_path / "weights.safetensors"
    status, _, said = run(capsys, "train", folder, "--output", weights, *SMALL)
    assert (status, weights.exists()) == (2, False)
    assert "Bacteria, Virus do not tell: name it by --finding" in said
    words = ("train", folder, "--output", weights, *SMALL, "--finding", "bacteria")
    assert run(capsys, *words)[0] == 0
    assert load_checkpoint(weights).finding == "Bacteria"
    status, lines, _ = run(capsys, "evaluate", weights, folder, "--json")
    assert status == 0
    assert list(json.loads(lines[-1])["findings"]) == ["Bacteria"]


@pytest.mark.slow
def test_each_of_several_findings_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = {"COVID": 60, "NORMAL": 110, "TB": 170}
    root = make(tmp_path / "root", classes, {"train": 30, "val": 8, "test": 4})
    weights = tmp_path / "weights.safetensors"
    assert run(capsys, "train", root, "--output", weights, *SMALL)[0] == 0
    status, lines, said = run(capsys, "calibrate", weights, root)
    assert status == 0, said
    assert "each of Covid, Tb is a finding" in said
    assert all(any(f"{name} called from" in line for line in lines) for name in ("Covid", "Tb"))
    stored = load_checkpoint(weights)
    assert stored.finding is None
    points = stored.calibration.further_points
    assert [point.class_name for point in points] == ["Covid", "Tb"]
    status, lines, _ = run(capsys, "evaluate", weights, root, "--json")
    assert status == 0
    assert [*json.loads(lines[-1])["findings"]] == ["Covid", "Tb"]
    model = load_model(weights, class_names=["A", "B", "C"])
    assert [point.class_name for point in model.calibration.further_points] == ["A", "C"]
