"""Figures and their intervals, beside scikit-learn and worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from cxr_gradcam.evaluation.metrics import (
    BinaryPredictions,
    calibration_error,
    measure,
    weighted_figures,
)

ACTUAL = np.array([False, False, False, True, True])
SAID = np.array([0.1, 0.2, 0.7, 0.6, 0.9])
PATIENTS = np.array(["a", "b", "c", "d", "d"])


def cases(actual: np.ndarray = ACTUAL, said: np.ndarray = SAID) -> BinaryPredictions:
    return BinaryPredictions(actual, said >= 0.5, said, said, PATIENTS[: len(actual)])


def test_figures_by_hand() -> None:
    result = measure(cases())
    assert (result["images"], result["patients"], result["with_finding"]) == (5, 4, 2)
    # called: 0.7 (wrong), 0.6, 0.9; of the 6 pairs only (0.6, 0.7) is in the wrong order
    expected = {
        "auc": 5 / 6,
        "accuracy": 4 / 5,
        "sensitivity": 1,
        "specificity": 2 / 3,
        "ppv": 2 / 3,
        "npv": 1,
        "f1": 4 / 5,
        "ece": (0.1 + 0.2 + 0.7 + 0.4 + 0.1) / 5,
    }
    for name, value in expected.items():
        assert result[name]["value"] == pytest.approx(value), name


@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(0, 1), st.integers(1, 5)), min_size=4, max_size=40
    ).filter(lambda rows: len({row[0] for row in rows}) == 2)
)
def test_weights_count_an_image_several_times(rows: list[tuple[bool, float, int]]) -> None:
    actual, said, counts = (np.array(column) for column in zip(*rows, strict=True))
    each = BinaryPredictions(actual, said >= 0.5, said, said, np.arange(len(said)).astype(str))
    found = weighted_figures(each, counts.astype(float))
    repeated, calls = np.repeat(actual, counts), np.repeat(said >= 0.5, counts)
    assert found["auc"] == pytest.approx(roc_auc_score(repeated, np.repeat(said, counts)))
    assert found["sensitivity"] == pytest.approx(recall_score(repeated, calls))
    assert found["f1"] == pytest.approx(f1_score(repeated, calls))
    if calls.any():
        assert found["ppv"] == pytest.approx(precision_score(repeated, calls))
    else:
        assert np.isnan(found["ppv"])


def test_a_figure_that_is_not_defined_is_left_out() -> None:
    result = measure(cases(ACTUAL[:3], SAID[:3]))
    assert "auc" not in result
    assert "sensitivity" not in result
    assert result["specificity"]["value"] == pytest.approx(2 / 3)


def test_only_patients_of_whom_a_figure_is_defined_count_for_it() -> None:
    # patient d alone has the finding, and both of its pictures are called
    sensitivity = measure(cases())["sensitivity"]
    assert sensitivity["value"] == 1
    assert sensitivity["low"] == pytest.approx(0.025)


def test_calibration_error_by_hand() -> None:
    said = np.array([0.62, 0.68, 0.95])
    error = calibration_error(np.array([True, False, True]), said, np.ones(3))
    # one bin: 1 of 2 where 1.3 were expected; another: 1 where 0.95 was
    assert error == pytest.approx((0.3 + 0.05) / 3)
