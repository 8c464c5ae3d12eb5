"""The figures of an evaluation, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.evaluation import evaluate, figures, mean_auc

LABELS = np.array([0, 0, 0, 1, 1])
SICK = np.array([0.1, 0.2, 0.7, 0.6, 0.9])
PROBABILITIES = np.stack([1 - SICK, SICK], axis=1)


def test_figures_by_hand() -> None:
    result = figures(LABELS, PROBABILITIES, ("Normal", "Pneumonia"))
    # called sick: 0.7 (wrong), 0.6, 0.9 -> 4 of 5 right
    assert result["images"] == 5
    assert result["accuracy"] == pytest.approx(4 / 5)
    sick = result["classes"]["Pneumonia"]
    assert sick["images"] == 2
    assert sick["sensitivity"] == pytest.approx(1.0)
    assert sick["specificity"] == pytest.approx(2 / 3)
    # of the 6 pairs of a sick and a healthy one, only (0.6, 0.7) is in the wrong order
    assert sick["auc"] == pytest.approx(5 / 6)
    assert result["classes"]["Normal"]["sensitivity"] == pytest.approx(2 / 3)
    assert result["auc"] == pytest.approx(5 / 6)


def test_a_class_without_images_has_no_figures() -> None:
    three = np.concatenate([PROBABILITIES, np.zeros((5, 1))], axis=1)
    assert set(figures(LABELS, three, ("Normal", "Pneumonia", "Other"))["classes"]) == {
        "Normal",
        "Pneumonia",
    }


def test_one_class_alone_has_no_curve() -> None:
    with pytest.raises(ValueError, match="one class"):
        mean_auc(np.zeros(3, dtype=np.int64), np.full((3, 2), 0.5))


def test_evaluate_reads_a_folder_by_the_model_s_class_names(
    model: ResNet50FineTuned, tmp_path: Path
) -> None:
    for name in ("class_1", "CLASS_0"):
        (tmp_path / name).mkdir()
        for index in range(9):
            pixels = np.full((40, 30), 20 * index, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    result = evaluate(model, tmp_path)
    assert result["images"] == 18
    assert {name: row["images"] for name, row in result["classes"].items()} == {
        "class 0": 9,
        "class 1": 9,
    }
    # the same pictures in both classes: no better than a coin
    assert result["auc"] == pytest.approx(0.5)


def test_a_folder_that_is_no_class_is_refused(model: ResNet50FineTuned, tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "cats" / "1.png")
    with pytest.raises(ValueError, match="class 0, class 1"):
        evaluate(model, tmp_path)
