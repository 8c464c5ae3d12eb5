"""Intervals: patients drawn whole, and shares of 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_gradcam.evaluation.intervals import as_text, mean_intervals, with_intervals

PATIENTS = np.array(["a", "b", "c", "d", "d"])


def test_a_patient_is_drawn_whole() -> None:
    forward_pass = []
    with_intervals(lambda weights: forward_pass.append(weights) or {"x": 0.5}, PATIENTS)
    assert all(weights[3] == weights[4] for weights in forward_pass)
    assert all(weights[:4].sum() == 4 for weights in forward_pass[1:])
    assert len({tuple(weights) for weights in forward_pass}) > 20


def test_an_interval_holds_its_value_and_narrows_with_more_cases() -> None:
    rng = np.random.default_rng(0)
    few, many = (mean_intervals(rng.random((count, 1)), ("mean",))["mean"] for count in (20, 2000))
    for figure in (few, many):
        assert figure["low"] < figure["value"] < figure["high"]
    # the standard error of a uniform mean: 1 / sqrt(12 n)
    assert many["high"] - many["low"] == pytest.approx(2 * 1.96 / np.sqrt(12 * 2000), rel=0.15)
    assert few["high"] - few["low"] > 5 * (many["high"] - many["low"])


def test_a_share_of_one_has_its_exact_interval() -> None:
    # Clopper & Pearson 1934: the share under which 3 of 3 come with a probability of 2.5 %
    three = mean_intervals(np.ones((3, 1)), ("share",))["share"]
    assert (three["value"], three["high"]) == (1, 1)
    assert three["low"] ** 3 == pytest.approx(0.025)
    none = mean_intervals(np.zeros((60, 1)), ("share",))["share"]
    assert (1 - none["high"]) ** 60 == pytest.approx(0.025)


def test_a_figure_as_text() -> None:
    assert as_text({"value": 0.5, "low": 0.25, "high": 0.75}) == "0.500 (0.250 to 0.750)"
    assert as_text({"value": 1.0, "low": 1 - 1e-16, "high": 1.0}) == "1.000"
