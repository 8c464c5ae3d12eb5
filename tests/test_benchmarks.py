"""Tests of the benchmarks' statistics."""

import pytest

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
