"""Faithfulness: pixels that go and come in order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.cam.methods import QUICK_METHODS
from cxr_gradcam.evaluation import faithfulness
from cxr_gradcam.evaluation.faithfulness import STEPS, deletion_insertion, measure_faithfulness
from cxr_gradcam.imaging.radiograph import Radiograph

pytestmark = pytest.mark.usefixtures("few_resamples")


def test_pixels_go_and_come_in_order() -> None:
    x = torch.rand(1, 3, 8, 4) + 1
    order = np.random.default_rng(0).permutation(32)
    deleted, inserted = deletion_insertion(x, order)
    assert deleted.shape == inserted.shape == (STEPS + 1, 3, 8, 4)
    torch.testing.assert_close(deleted[0], x[0])
    torch.testing.assert_close(inserted[-1], x[0])
    assert (deleted[-1] == 0).all()
    gone = deleted[1, 0].flatten() == 0
    assert set(gone.nonzero()[:, 0].tolist()) == set(order[:2].tolist())
    back = inserted[1, 0].flatten() == x[0, 0].flatten()
    assert set(order[:2].tolist()) <= set(back.nonzero()[:, 0].tolist())
    assert not torch.equal(inserted[0], x[0])


@pytest.mark.parametrize(
    "methods", [QUICK_METHODS[:3], pytest.param(QUICK_METHODS, marks=pytest.mark.slow)]
)
def test_every_quick_method_and_chance_are_measured(
    small: ResNet50FineTuned,
    radiographs: list[Radiograph],
    methods: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(faithfulness, "QUICK_METHODS", methods)
    rows = measure_faithfulness(small, radiographs)
    assert [row["method"] for row in rows] == [*methods, "chance"]
    assert all(row["cases"] == 2 for row in rows)
    assert all(0 <= row[name]["value"] <= 1 for row in rows for name in ("deletion", "insertion"))
