"""How long tests wait for what must come: no test may fail because the machine is busy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE = 600
"""Seconds after which what has not come is taken for lost."""


def wait_until(condition: Callable[[], Found]) -> Found:
    """Wait for a condition to become true, and return what it gives."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"still waiting after {PATIENCE} seconds"
        time.sleep(0.05)
    return found
