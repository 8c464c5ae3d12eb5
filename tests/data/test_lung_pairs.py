import numpy as np
import pytest

from cxr_gradcam.data.lung_pairs import AT_LEFT, AT_RIGHT, SIDE, are_whole, lung_labels

CUT_OUT = np.zeros((SIDE, SIDE), np.float32)
CUT_OUT[30:110, 20:60] = CUT_OUT[30:110, 90:130] = 0.4


def test_the_lungs_of_a_cut_out_are_told_apart_and_filled():
    with_holes = CUT_OUT.copy()
    with_holes[50:55, 30:35] = 0  # black within the lung
    with_holes[5:8, 5:8] = 0.3  # a crumb
    labels = lung_labels(with_holes)
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[30:110, 20:60], expected[30:110, 90:130] = AT_LEFT, AT_RIGHT
    assert np.array_equal(labels, expected)


@pytest.mark.parametrize(
    "cut_out",
    [np.zeros_like(CUT_OUT), CUT_OUT * (np.arange(SIDE) < 80), np.hstack([0 * CUT_OUT, CUT_OUT])],
    ids=["none", "one", "both at one side"],
)
def test_without_a_lung_on_each_side_there_are_no_labels(cut_out):
    assert lung_labels(cut_out.astype(np.float32)) is None


def test_a_lung_that_lacks_a_part_is_not_whole():
    labels = lung_labels(CUT_OUT)
    assert are_whole(labels)
    bitten = labels.copy()
    bitten[50:90, 90:110] = 0
    assert not are_whole(bitten)
    small = labels.copy()
    small[50:, 90:] = 0
    assert not are_whole(small)
