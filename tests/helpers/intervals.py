"""Studies without the cost of their intervals."""

from __future__ import annotations

import pytest

from cxr_gradcam.evaluation import intervals


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures are looked at, not their intervals."""
    monkeypatch.setattr(intervals, "RESAMPLES", 20)
