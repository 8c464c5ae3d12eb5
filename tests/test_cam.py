from threading import Thread

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cxr_gradcam.cam import (
    Capture,
    capture_activations,
    capturing,
    class_gradients,
    class_indices,
    gradcam,
    upsample,
)

IMAGE = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])


class TinyNetwork(nn.Module):
    """Two channels, A1 = x and A2 = 5 - 2x, then ReLU, their mean, and three classes."""

    def __init__(self):
        super().__init__()
        self.target = nn.Conv2d(1, 2, 1)
        self.head = nn.Linear(2, 3, bias=False)
        with torch.no_grad():
            self.target.weight.copy_(torch.tensor([1.0, -2.0]).view(2, 1, 1, 1))
            self.target.bias.copy_(torch.tensor([0.0, 5.0]))
            self.head.weight.copy_(torch.tensor([[1.0, 2.0], [-2.0, 4.0], [-4.0, 1.0]]))
        self.target.register_forward_hook(capture_activations)

    def forward(self, x):
        return self.head(self.target(x).relu().mean(dim=(2, 3)))


# A1 = [1 2; 3 4] and A2 = [3 1; -1 -3]. ReLU lets all of A1 and half of A2 through, so the mean
# gradients are w1 / 4 and w2 / 8 for a class with the head's weights w1 and w2.
#   class 0: 0.25 A1 + 0.25 A2 = [1 .75; .5 .25]
#   class 1: -0.5 A1 + 0.5 A2 = [1 -.5; -2 -3.5], above zero [1 0; 0 0]
#   class 2: -A1 + 0.125 A2 is below zero everywhere
MAPS = torch.tensor([[[1.0, 0.75], [0.5, 0.25]], [[1.0, 0.0], [0.0, 0.0]], [[0.0] * 2] * 2])


def tiny_maps(images, classes):
    with capturing() as capture:
        logits = TinyNetwork()(images)
    gradients = class_gradients(
        logits, torch.tensor(classes), capture.activations, retain_graph=False
    )
    return gradcam(capture.activations.detach(), gradients)


@pytest.mark.parametrize("class_idx", [0, 1, 2])
def test_gradcam_of_a_tiny_network_is_the_one_worked_out_by_hand(class_idx):
    torch.testing.assert_close(tiny_maps(IMAGE, [class_idx]), MAPS[[class_idx]], rtol=0, atol=0)


def test_each_sample_of_a_batch_is_explained_for_its_own_class():
    # Twice the image: A1 = [2 4; 6 8], A2 = [1 -3; -7 -11]; ReLU lets a quarter of A2 through, so
    # class 0 has the weights 1/4 and 1/8: [.5+.125 1-.375; 1.5-.875 2-1.375] = .625 everywhere.
    maps = tiny_maps(torch.cat([IMAGE, IMAGE, 2 * IMAGE, IMAGE]), [2, 1, 0, 0])
    expected = torch.stack([MAPS[2], MAPS[1], torch.full((2, 2), 0.625), MAPS[0]])
    torch.testing.assert_close(maps, expected, rtol=0, atol=0)


def test_gradcam_weights_a_channel_by_its_mean_gradient():
    activations = torch.tensor([[[[2.0, -2.0]], [[1.0, 3.0]]]])
    gradients = torch.tensor([[[[-3.0, 1.0]], [[0.0, 1.0]]]])
    # Weights -1 and 0.5: [-2 + 0.5, 2 + 1.5], above zero.
    assert gradcam(activations, gradients).tolist() == [[[0.0, 3.5]]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_maps_are_float32_whatever_the_network_computes_in(dtype):
    activations, gradients = (
        torch.tensor([[[[1.0, 0.5]]]], dtype=dtype),
        torch.tensor([[[[2.0, 4.0]]]], dtype=dtype),
    )
    maps = gradcam(activations, gradients)
    assert maps.dtype == torch.float32
    assert maps.tolist() == [[[3.0, 1.5]]]


def test_maps_are_float32_in_autocast_too():
    # 1 + 1/1024 needs more bits than bfloat16 has.
    value = 1 + 2**-10
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = gradcam(torch.full((1, 2, 1, 1), value), torch.ones(1, 2, 1, 1))
    assert maps.dtype == torch.float32
    assert maps.item() == 2 * value


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


@settings(deadline=None, max_examples=50)
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


def test_only_what_runs_inside_is_captured():
    network = TinyNetwork().requires_grad_(False)
    with capturing() as capture:
        assert capture == Capture(None)
        inside = network.target(IMAGE)
    outside = network.target(IMAGE)
    assert inside is capture.activations
    assert inside.is_leaf
    assert inside.requires_grad
    assert not outside.requires_grad


def test_another_thread_captures_nothing():
    network = TinyNetwork()
    with capturing() as capture:
        thread = Thread(target=network, args=(IMAGE,))
        thread.start()
        thread.join()
    assert capture.activations is None


def fail_after_the_cut():
    TinyNetwork().requires_grad_(False)(IMAGE)
    assert torch.is_grad_enabled()
    raise ZeroDivisionError


@pytest.mark.parametrize("grad_enabled", [True, False])
def test_capturing_gives_the_grad_mode_back_even_after_an_error(grad_enabled):
    with torch.set_grad_enabled(grad_enabled):
        with pytest.raises(ZeroDivisionError), capturing():
            fail_after_the_cut()
        assert torch.is_grad_enabled() == grad_enabled
        assert not TinyNetwork().requires_grad_(False)(IMAGE).requires_grad


def test_the_graph_is_cut_only_where_nothing_in_front_of_the_layer_trains():
    trained, frozen = TinyNetwork(), TinyNetwork().requires_grad_(False)
    with capturing() as capture:
        trained(IMAGE)
        assert capture.activations.grad_fn is not None
        frozen(IMAGE)
        assert capture.activations.grad_fn is None


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
