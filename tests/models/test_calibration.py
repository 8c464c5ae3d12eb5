"""Calibration: probabilities and verdicts by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cxr_gradcam.models.calibration import Calibration, OperatingPoint


def test_probabilities_by_hand() -> None:
    logits = torch.tensor([[0.0, 2 * np.log(3)]])
    said = Calibration(2.0).probabilities(logits)
    torch.testing.assert_close(said, torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(
        Calibration(2.0).probabilities(logits, multi_label=True), torch.tensor([[0.5, 0.75]])
    )


def test_verdicts_at_the_bounds() -> None:
    point = OperatingPoint("Pneumonia", threshold=0.5, unlikely_below=0.2, likely_from=0.8)
    said = [point.verdict(probability) for probability in (0.19, 0.2, 0.79, 0.8)]
    assert said == ["unlikely", "uncertain", "uncertain", "likely"]


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ((0.1, 0.05, 0.16), ["unlikely", "uncertain", "uncertain", "likely", "likely"]),
        ((0.9, 0.8, 0.95), ["unlikely", "unlikely", "unlikely", "uncertain", "uncertain"]),
    ],
)
def test_no_word_contradicts_its_number(
    bounds: tuple[float, float, float], said: list[str]
) -> None:
    point = OperatingPoint.of_bounds("Pneumonia", *bounds)
    assert [point.verdict(each) for each in (0.04, 0.2, 0.49, 0.5, 0.9)] == said


def test_bounds_in_disorder_are_refused() -> None:
    with pytest.raises(ValueError, match="must rise"):
        OperatingPoint("Pneumonia", threshold=0.5, unlikely_below=0.6, likely_from=0.8)
