"""Which logits a map explains, and with which weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cxr_gradcam.cam.targets import class_indices, explained_classes, target_weights

LOGITS = torch.tensor([[0.5, 2.0, -1.0], [3.0, 1.0, 2.0]])

# --- Weights -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("class_idx", "weights"),
    [
        (2, [[0, 0, 1], [0, 0, 1]]),
        ([2, 0], [[0, 0, 1], [1, 0, 0]]),
        (np.array([1, 2]), [[0, 1, 0], [0, 0, 1]]),
        (None, [[0, 1, 0], [1, 0, 0]]),
    ],
    ids=["one class", "one per sample", "array", "predicted"],
)
def test_the_logit_of_the_class_counts_alone(class_idx, weights):
    assert target_weights(LOGITS, class_idx).tolist() == weights
    against = target_weights(LOGITS, class_idx, against=True)
    assert torch.equal(against, -torch.tensor(weights).float())


@pytest.mark.parametrize(
    ("class_idx", "contrast_idx", "weights"),
    [
        (0, 2, [[1, 0, -1], [1, 0, -1]]),
        ([0, 1], 2, [[1, 0, -1], [0, 1, -1]]),
        (0, [1, 2], [[1, -1, 0], [1, 0, -1]]),
        (None, 2, [[0, 1, -1], [1, 0, -1]]),
        (None, torch.tensor([0, 1]), [[-1, 1, 0], [1, -1, 0]]),
    ],
)
def test_a_contrast_weighs_one_class_against_another(class_idx, contrast_idx, weights):
    assert target_weights(LOGITS, class_idx, contrast_idx).tolist() == weights


@pytest.mark.parametrize(
    ("class_idx", "contrast_idx"),
    [(1, 1), ([0, 2], [1, 2]), (None, 0), (None, [1, 2]), (2, [0, 2])],
)
def test_a_class_contrasted_with_itself_is_refused(class_idx, contrast_idx):
    with pytest.raises(ValueError, match="cannot be contrasted with itself"):
        target_weights(LOGITS, class_idx, contrast_idx)


@pytest.mark.parametrize(("class_idx", "contrast_idx"), [(3, None), (0, 3), (None, [0])])
def test_impossible_classes_are_refused(class_idx, contrast_idx):
    with pytest.raises(ValueError, match="class ind"):
        target_weights(LOGITS, class_idx, contrast_idx)


@st.composite
def questions(draw):
    """Logits, and two different classes for each sample."""
    batch, classes = draw(st.integers(1, 4)), draw(st.integers(2, 5))
    logit = st.floats(-100, 100, width=32)
    row = st.lists(logit, min_size=classes, max_size=classes)
    logits = draw(st.lists(row, min_size=batch, max_size=batch))
    pair = st.permutations(range(classes)).map(lambda order: order[:2])
    pairs = draw(st.lists(pair, min_size=batch, max_size=batch))
    return torch.tensor(logits), [list(each) for each in zip(*pairs, strict=True)]


@given(questions())
def test_rather_than_is_a_difference_and_against_the_opposite(question):
    logits, (first, second) = question
    rather = target_weights(logits, first, second)
    assert torch.equal(rather, target_weights(logits, first) - target_weights(logits, second))
    assert torch.equal(rather, target_weights(logits, second, first, against=True))
    samples = range(len(logits))
    score = logits[samples, first] - logits[samples, second]
    torch.testing.assert_close((rather * logits).sum(dim=1), score)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_have_the_type_of_the_logits_and_no_graph(dtype):
    logits = LOGITS.to(dtype).requires_grad_()
    weights = target_weights(logits, None, 2, against=True)
    assert weights.dtype == dtype
    assert not weights.requires_grad


# --- Classes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("class_idx", "expected"), [(None, [1, 0]), (2, [2, 2]), ([0, 2], [0, 2])])
def test_what_is_explained_is_what_was_asked_for_or_predicted(class_idx, expected):
    classes = explained_classes(LOGITS, class_idx)
    assert classes.tolist() == expected
    assert classes.dtype == torch.int64


@pytest.mark.parametrize(
    ("class_idx", "expected"),
    [
        (1, [1, 1, 1]),
        (np.int64(2), [2, 2, 2]),
        (torch.tensor(0), [0, 0, 0]),
        ([2, 0, 1], [2, 0, 1]),
        ((0, 0, 2), [0, 0, 2]),
        (range(3), [0, 1, 2]),
        (np.array([2, 1, 0]), [2, 1, 0]),
        ([np.uint8(1), torch.tensor(2), 0], [1, 2, 0]),
        (torch.tensor([1, 2, 0]), [1, 2, 0]),
        (torch.tensor([1, 2, 0], dtype=torch.uint8), [1, 2, 0]),
    ],
)
def test_class_indices_are_one_per_sample(class_idx, expected):
    indices = class_indices(class_idx, 3, 3)
    assert indices.tolist() == expected
    assert indices.dtype == torch.int64


def test_no_class_index_stands_for_the_predicted_class():
    assert class_indices(None, 3, 3) is None


@pytest.mark.parametrize("class_idx", [-1, 3, [0, 3, 1], (0, -1, 1), torch.tensor([0, 1, 99])])
def test_class_index_out_of_range_is_refused_with_the_range(class_idx):
    with pytest.raises(ValueError, match=r"class index (-1|3|99) is outside the range 0\.\.2"):
        class_indices(class_idx, 3, 3)


@pytest.mark.parametrize(
    "class_idx",
    [1.0, "1", True, [0, 1.5, 2], [True, False, True], [[0], [1], [2]], torch.ones(3), {0: 1}],
)
def test_class_index_that_is_no_whole_number_is_refused(class_idx):
    with pytest.raises(ValueError, match="class index is a whole number, not"):
        class_indices(class_idx, 3, 3)


@pytest.mark.parametrize("class_idx", [[], [0], [0, 1], torch.tensor([0, 1, 2, 0])])
def test_wrong_number_of_class_indices_is_refused(class_idx):
    with pytest.raises(ValueError, match=f"{len(class_idx)} class indices for 3 images"):
        class_indices(class_idx, 3, 3)
