"""What the campaign of a long life calls growth, and what it reads of a process."""

from __future__ import annotations

import mmap
import os
import sys

import pytest

from tests.campaigns.long_life import Life
from tests.campaigns.memory import proportional


@pytest.mark.parametrize(
    ("memory", "growth"),
    [
        ([500, 900, 1000, 1000, 1000, 1000, 1000, 1000], 0),  # it has grown warm before
        ([1000, 1000, 1020, 980, 1500, 1000, 1010, 990], 0),
        ([0, 100, 200, 300, 400, 500, 600, 700], 400),
    ],
)
def test_growth_is_that_of_the_last_quarter_over_the_second(memory: list[int], growth: int) -> None:
    assert Life(memory).growth == growth


def test_a_session_costs_its_share_of_the_hundred_that_are_kept() -> None:
    assert Life(sessions=[1000, 1300, 1600, 1550]).session_cost == 6


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it")
def test_memory_is_read_of_a_process() -> None:
    before = proportional(os.getpid())
    with mmap.mmap(-1, 100_000_000) as held:  # pages of its own, whatever the process has free
        held.write(b"x" * 100_000_000)
        assert proportional(os.getpid()) - before > 80
