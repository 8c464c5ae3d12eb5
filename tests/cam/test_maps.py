"""Upsampling and fusion of maps: by hand, beside torch's own resizing, by rules."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_gradcam.cam.maps import fuse, resize, upsample
from tests.helpers.tensors import tensors


def test_upsampling_by_hand():
    # Twice the width, pixel centres at -1/4, 1/4, 3/4 and 5/4 of the coarse pixels' distance.
    heatmaps, peaks = upsample(torch.tensor([[[0.0, 2.0]]]), (1, 4))
    assert heatmaps.tolist() == [[[0.0, 0.25, 0.75, 1.0]]]
    assert peaks.tolist() == [2.0]


def test_an_empty_map_stays_empty_and_spoils_no_other():
    heatmaps, peaks = upsample(torch.stack([torch.zeros(2, 2), torch.eye(2) / 7]), (5, 9))
    assert heatmaps.shape == (2, 5, 9)
    assert not heatmaps[0].any()
    assert heatmaps[1].max() == 1
    assert peaks[0] == 0
    assert peaks[1] > 0


@settings(max_examples=50)
@given(
    values=st.lists(st.floats(0, 2**100, width=32), min_size=6, max_size=6),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_heat_maps_lie_in_0_to_1_and_reach_1_unless_empty(values, height, width):
    heatmaps, peaks = upsample(torch.tensor(values).view(1, 2, 3), (height, width))
    assert heatmaps.shape == (1, height, width)
    assert heatmaps.min() >= 0
    assert heatmaps.max() == (1 if peaks[0] > 0 else 0)


@pytest.mark.parametrize("size", [(5, 7), (11, 3), (2, 9), (300, 200)])
def test_upsampling_is_torchs_resizing_also_in_autocast(size):
    maps = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0))
    resized = resize(maps[:, None], size)[:, 0]
    peaks = resized.amax(dim=(1, 2))
    with torch.autocast("cpu", torch.bfloat16):
        heatmaps, maxima = upsample(maps, size)
    torch.testing.assert_close(heatmaps, resized / peaks[:, None, None], rtol=0, atol=1e-6)
    torch.testing.assert_close(maxima, peaks)


@pytest.mark.parametrize("fusion", ["mean", "max"])
def test_one_layer_alone_is_upsampled_and_keeps_its_peaks(fusion):
    maps = torch.tensor([[[0.0, 2.0]], [[3.0, 1.0]]])
    for fused, expected in zip(fuse([maps], (2, 4), fusion), upsample(maps, (2, 4)), strict=True):
        assert torch.equal(fused, expected)


# Each layer scaled to 1: sample 0 has [0 1 1/2] and [1 1/2 1/4], sample 1 [1 0 0] and [0 1 1].
FIRST = torch.tensor([[[0.0, 4.0, 2.0]], [[8.0, 0.0, 0.0]]])
SECOND = torch.tensor([[[4.0, 2.0, 1.0]], [[0.0, 0.1, 0.1]]])


@pytest.mark.parametrize(
    ("fusion", "heatmaps", "peaks"),
    [
        # Means [1/2 3/4 3/8], by 3/4; and [1/2 1/2 1/2], by 1/2.
        ("mean", [[[2 / 3, 1, 1 / 2]], [[1, 1, 1]]], [3 / 4, 1 / 2]),
        ("max", [[[1, 1, 1 / 2]], [[1, 1, 1]]], [1, 1]),
    ],
)
def test_layers_are_fused_as_worked_out_by_hand(fusion, heatmaps, peaks):
    fused, maxima = fuse([FIRST, SECOND], (1, 3), fusion)
    torch.testing.assert_close(fused, torch.tensor(heatmaps).float())
    torch.testing.assert_close(maxima, torch.tensor(peaks).float())


def test_layers_of_different_grids_are_fused_on_that_of_the_image():
    # The one-place layer is 1 everywhere; [0 2] becomes [0 1/4 3/4 1]: means [4 5 7 8] / 8.
    fused, peaks = fuse([torch.tensor([[[5.0]]]), torch.tensor([[[0.0, 2.0]]])], (1, 4))
    assert fused.tolist() == [[[0.5, 0.625, 0.875, 1]]]
    assert peaks.tolist() == [1]


@pytest.mark.parametrize(("fusion", "peak"), [("mean", 0.5), ("max", 1)])
def test_an_empty_layer_changes_no_heat_map_but_the_agreement(fusion, peak):
    fused, peaks = fuse([FIRST, torch.zeros_like(FIRST)], (1, 3), fusion)
    assert torch.equal(fused, upsample(FIRST, (1, 3))[0])
    assert peaks.tolist() == [peak, peak]


@pytest.mark.parametrize("fusion", ["mean", "max"])
@settings(max_examples=50)
@given(
    first=tensors((2, 2, 3), st.floats(0, 1000, width=32)),
    second=tensors((2, 3, 2), st.floats(0, 1000, width=32)),
)
def test_fused_maps_lie_in_0_to_1_and_reach_1_unless_empty(fusion, first, second):
    fused, peaks = fuse([first, second], (5, 7), fusion)
    assert fused.shape == (2, 5, 7)
    assert fused.min() >= 0
    filled = first.amax(dim=(1, 2)).maximum(second.amax(dim=(1, 2))) > 0
    assert torch.equal(fused.amax(dim=(1, 2)), filled.float())
    assert torch.equal(peaks > 0, filled)
    assert peaks.max() <= 1


@pytest.mark.parametrize("layers", [1, 2])
def test_an_unknown_fusion_is_refused(layers):
    with pytest.raises(ValueError, match="fused by 'mean', 'max' or 'product', not 'sum'"):
        fuse([FIRST] * layers, (1, 3), "sum")
