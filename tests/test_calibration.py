"""Calibration: temperatures that are known, and bounds by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cxr_gradcam.calibration import (
    Calibration,
    OperatingPoint,
    choose_operating_point,
    fit_temperature,
)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, 2, generator=generator) * 2
    labels = torch.multinomial(honest.softmax(dim=1), 1, generator=generator)[:, 0]
    assert fit_temperature(honest * temperature, labels) == pytest.approx(temperature, rel=0.05)


def test_probabilities_by_hand() -> None:
    logits = torch.tensor([[0.0, 2 * np.log(3)]])
    said = Calibration(2.0).probabilities(logits)
    torch.testing.assert_close(said, torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(
        Calibration(2.0).probabilities(logits, multi_label=True), torch.tensor([[0.5, 0.75]])
    )


def test_threshold_by_hand() -> None:
    sick, healthy = [0.2, 0.6, 0.62, 0.7, 0.9], [0.1, 0.3, 0.4, 0.65]
    point = choose_operating_point("Pneumonia", np.array(sick + healthy), np.arange(9) < 5)
    assert point.threshold == 0.6  # 4 of 5 found, 3 of 4 let go


def test_bounds_by_hand() -> None:
    sick = np.arange(1, 1001) / 1001  # 99.5 % lie from the 5th on
    healthy = np.append(np.arange(100) / 400, 0.9)  # 98 % lie below the 99th
    point = choose_operating_point(
        "Pneumonia", np.concatenate([sick, healthy]), np.arange(1101) < 1000
    )
    assert point.unlikely_below == pytest.approx(5 / 1001)
    assert point.threshold == pytest.approx(248 / 1001)  # the first above 99/400
    assert point.likely_from == pytest.approx(98 / 400, abs=1 / 300)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=50),
    st.lists(st.floats(0, 1), min_size=1, max_size=50),
)
def test_no_other_threshold_tells_them_better(sick: list[float], healthy: list[float]) -> None:
    probabilities = np.array(sick + healthy)
    is_finding = np.arange(len(probabilities)) < len(sick)
    point = choose_operating_point("Pneumonia", probabilities, is_finding)

    def sum_of_rates(threshold: float) -> float:
        found = (np.array(sick) >= threshold).mean()
        return float(found + (np.array(healthy) < threshold).mean())

    assert point.unlikely_below <= point.threshold <= point.likely_from
    best = max(map(sum_of_rates, probabilities))
    assert sum_of_rates(point.threshold) >= best - 1e-9


def test_one_side_alone_gives_no_operating_point() -> None:
    with pytest.raises(ValueError, match="with the finding and without"):
        choose_operating_point("Pneumonia", np.array([0.5]), np.array([True]))


def test_verdicts_at_the_bounds() -> None:
    point = OperatingPoint("Pneumonia", threshold=0.5, unlikely_below=0.2, likely_from=0.8)
    said = [point.verdict(probability) for probability in (0.19, 0.2, 0.79, 0.8)]
    assert said == ["unlikely", "uncertain", "uncertain", "likely"]


def test_bounds_in_disorder_are_refused() -> None:
    with pytest.raises(ValueError, match="must rise"):
        OperatingPoint("Pneumonia", threshold=0.5, unlikely_below=0.6, likely_from=0.8)
