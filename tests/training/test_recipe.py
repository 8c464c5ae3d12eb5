"""Recipes: what is refused, and how sizes grow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_gradcam.training.recipe import Recipe


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0: it must be 1 or more"),
        ({"size": 16}, "size is 16: it must be 32 or more"),
        ({"validation_share": -0.1}, "between 0 and 1"),
        ({"noisy_label_smoothing": float("nan")}, "between 0 and 1"),
        ({"learning_rate": 0.0}, "above 0"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**wrong)


@given(st.integers(1, 30), st.sampled_from([64, 128, 224, 320]))
def test_sizes_grow_to_the_full_one(epochs: int, size: int) -> None:
    sizes = [Recipe(epochs=epochs, size=size).size_of_epoch(epoch) for epoch in range(epochs)]
    assert sizes == sorted(sizes)
    assert sizes[-1] == size
    assert all(side % 32 == 0 and side > 0 for side in sizes)
