"""Studies of trust: steadiness, the tests of Arun et al., and what covering a place does."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.evaluation.trust import covering, summary
from cxr_gradcam.evaluation.trust import steadiness as steadiness_study
from cxr_gradcam.evaluation.trust.steadiness import prediction_saliency_correlation
from cxr_gradcam.explanation.steadiness import Steadiness
from cxr_gradcam.models.any_classifier import CAM

pytestmark = pytest.mark.usefixtures("few_resamples")


def steadiness(answers: list[float], maps: list[float]) -> Steadiness:
    return Steadiness(0, 0, 0, np.array(maps), np.array(answers), np.zeros((1, 1), np.float32))


def test_maps_that_move_with_the_answers_correlate() -> None:
    answers = [0.0, 0.1, 0.3]
    with_it = [steadiness(answers, [0.1, 0.3, 0.7]), steadiness([0.2, 0.4, 0.0], [0.5, 0.9, 0.1])]
    against = [steadiness(answers, [0.7, 0.5, 0.1])] * 2
    for moved, expected in ((with_it, 1), (against, -1)):
        found = prediction_saliency_correlation(moved)
        assert found is not None
        assert found["value"] == pytest.approx(expected)
    assert prediction_saliency_correlation([steadiness(answers, [0.0, 0.0, 0.0])]) is None


@pytest.fixture
def _two_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (summary, steadiness_study):
        monkeypatch.setattr(module, "QUICK_METHODS", ("gradcam", "eigencam"))
    monkeypatch.setattr("cxr_gradcam.evaluation.sanity.QUICK_METHODS", ("gradcam", "eigencam"))


@pytest.mark.slow
@pytest.mark.usefixtures("_two_methods")
def test_the_study_measures_every_quick_method(small: ResNet50FineTuned) -> None:
    result = summary.study(small, [], 1, small, "class 1")
    assert [row["method"] for row in result["rows"]] == ["gradcam", "eigencam"]
    assert result["about"].startswith("1 X-rays")
    assert "Not measured" not in result["about"]
    for row in result["rows"]:
        assert row["cases"] == 1
        assert row["agreement"]["value"] == pytest.approx(1)  # with itself
        for name in ("overlap", "ARCC", "localisation"):
            assert 0 <= row[name]["value"] <= 1
        assert -1 <= row["randomisation"]["value"] <= 1
        assert -0.5 <= row["ROAD"]["value"] <= 0.5


@pytest.mark.slow
@pytest.mark.usefixtures("_two_methods")
def test_what_cannot_be_measured_is_said() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network.append(nn.Linear(4, 2))
    result = summary.study(CAM(network, "0", class_names=["Normal", "Pneumonia"]), [], 1)
    assert "agreement of two trainings needs --other" in result["about"]
    assert "are not made random" in result["about"]
    assert result["rows"][0]["agreement"] == result["rows"][0]["randomisation"] == ""


@pytest.mark.usefixtures("_two_methods")
def test_steadiness_is_measured_by_method_and_detail(small: ResNet50FineTuned) -> None:
    result = steadiness_study.study(small, [], 1)
    details = [(row["method"], row["detail"]) for row in result["rows"]]
    assert details == [(m, d) for m in ("gradcam", "eigencam") for d in small.detail]
    for row in result["rows"]:
        assert 0 <= row["overlap"]["value"] <= 1
        assert row["wandering"]["value"] >= 0


def test_covering_is_measured_on_chests_that_are_called(
    small: ResNet50FineTuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(covering, "_threshold", lambda _: 0.0)
    result = covering.study(small, 1, "class 1")
    assert [row["pairs"] for row in result["rows"]] == [1] * 5
    for row in result["rows"]:
        assert 0 <= row["left"]["value"] <= 1
        assert row["distance"]["value"] >= 0
    monkeypatch.setattr(covering, "_threshold", lambda _: 1.1)
    with pytest.raises(ValueError, match="fewer than 1 of 4"):
        covering.study(small, 1, "class 1")
