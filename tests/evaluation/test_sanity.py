"""Sanity: maps that must not outlive the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.evaluation.sanity import CASCADE, measure_sanity, rank_correlation
from cxr_gradcam.imaging.radiograph import Radiograph

pytestmark = pytest.mark.usefixtures("few_resamples")


def test_rank_correlation_by_hand() -> None:
    first = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert rank_correlation(first, first**3) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    # 1 - 6 * (1 + 1) / (4 * 15)
    swapped = np.array([[2.0, 1.0], [3.0, 4.0]])
    assert rank_correlation(first, swapped) == pytest.approx(0.8)
    assert rank_correlation(first, np.zeros((2, 2))) == 0


def test_the_cascade_leaves_the_model_as_it_was(
    small: ResNet50FineTuned, radiographs: list[Radiograph]
) -> None:
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    state = torch.get_rng_state()
    rows = measure_sanity(small, radiographs)
    assert torch.equal(torch.get_rng_state(), state)
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert set(rows[0]) == {"method", "cases", *CASCADE}
    eigencam = next(row for row in rows if row["method"] == "eigencam")
    assert eigencam["fc"]["value"] == pytest.approx(1)  # it does not ask the head
    assert eigencam["layer4"]["value"] < 0.99
