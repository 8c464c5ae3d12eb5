"""The answer in words: a verdict, or a warning in its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cxr_gradcam.explanation import Explanation, Prediction
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.web.prediction import failure_html, percentage, prediction_html


def answer(**said: Any) -> str:
    probabilities = said.pop("probabilities", {"Normal": 0.2, "Pneumonia": 0.8})
    explanation = Explanation(
        question=Question("Pneumonia", layers=["x"]),
        prediction=Prediction(probabilities, **said),
        heatmap=np.zeros((2, 2), np.float32),
        peak=0.0,
    )
    return prediction_html(explanation)


@pytest.mark.parametrize("verdict", ["likely", "uncertain", "unlikely"])
def test_the_verdict_stands_in_words(verdict: str) -> None:
    html = answer(finding="Pneumonia", verdict=verdict, ood_score=0.9)
    assert f"Pneumonia {verdict}, <b>80 %</b>" in html
    assert "dimmed" not in html


def test_an_unfamiliar_image_gets_a_warning_and_no_verdict() -> None:
    html = answer(finding="Pneumonia", verdict="likely", ood_score=1.01)
    assert 'role="alert"' in html
    assert "Unlike the training X-rays: not reliable." in html
    assert "Pneumonia likely" not in html
    assert "<b>" not in html
    assert "dimmed" in html


def test_without_calibration_there_is_neither() -> None:
    html = answer()
    assert "likely" not in html
    assert "alert" not in html
    assert "not calibrated" in html
    assert "not calibrated" not in answer(is_calibrated=True)


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "0 %"), (0.004, "< 1 %"), (0.5, "50 %"), (0.996, "> 99 %"), (1.0, "100 %")],
)
def test_a_percentage_never_claims_certainty(probability: float, words: str) -> None:
    assert percentage(probability) == words


def test_the_most_probable_class_comes_first() -> None:
    html = answer()
    assert html.index("Pneumonia") < html.index("Normal")


def test_words_from_outside_are_escaped() -> None:
    assert "<b>" not in failure_html("<b>")
    written = answer(probabilities={"<i>Normal": 1.0})
    assert "<i>" not in written
    assert "&lt;i&gt;Normal" in written
