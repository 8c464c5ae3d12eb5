"""Maps without gradients: by hand, in batches, and as others make them."""

import math

import pytest
import torch
from pytorch_grad_cam import AblationCAM, ScoreCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from cxr_gradcam.cam import perturbation_methods as perturbation
from cxr_gradcam.cam.perturbation_methods import BATCH_SIZE, ScoredSample, ablationcam, scorecam


def total(images):
    return images.sum(dim=(1, 2, 3))


def masked(activations, x, score_of):
    """A sample for Score-CAM."""
    return ScoredSample(activations, x, torch.zeros(()), score_of, None)


def without(activations, score, score_without):
    """A sample for Ablation-CAM."""
    return ScoredSample(activations, None, score, None, score_without)


# --- By hand -----------------------------------------------------------------------------------

# From 0 to 1, the channels are [0 1] and [1 0]: the image [3 4] through them is [0 4] and [3 0].
CHANNELS = torch.tensor([[[1.0, 3.0]], [[2.0, -2.0]]])
IMAGE = torch.tensor([[[3.0, 4.0]]])


def test_scorecam_by_hand():
    # The scores 4 and 3 weigh e / (1 + e) = .7311 and .2689: [.7311+.5379 2.1932-.5379].
    first = math.e / (1 + math.e)
    second = 1 - first
    expected = torch.tensor([[first + 2 * second, 3 * first - 2 * second]])
    torch.testing.assert_close(scorecam(masked(CHANNELS, IMAGE, total)), expected)


def test_scorecam_shows_the_image_through_each_channel():
    shown = []

    def score(images):
        shown.append(images)
        return total(images)

    color = torch.tensor([[[3.0, 4.0]], [[-1.0, 2.0]]])
    scorecam(masked(CHANNELS, color, score))
    assert torch.cat(shown).tolist() == [[[[0, 4]], [[0, 2]]], [[[3, 0]], [[-1, 0]]]]


def test_scorecam_stretches_a_channel_to_the_image_before_it_scales_it():
    # [1 3] on four pixels is [1 1.5 2.5 3], and from 0 to 1 [0 .25 .75 1].
    shown = []

    def score(images):
        shown.append(images)
        return total(images)

    saliency = scorecam(masked(CHANNELS[:1], torch.full((1, 1, 4), 8.0), score))
    assert torch.cat(shown).tolist() == [[[[0, 2, 6, 8]]]]
    assert saliency.tolist() == [[1, 3]]


@pytest.mark.parametrize("constant", [0, 5, -2])
def test_scorecam_sees_nothing_through_a_constant_channel(constant):
    # It shows an empty image, score 0; the other one shows [0 4]: weights 1 and e^4 to 1 + e^4.
    channels = torch.stack([torch.full((1, 2), float(constant)), CHANNELS[0]])
    weight = math.exp(4) / (1 + math.exp(4))
    other = constant * (1 - weight)
    expected = torch.tensor([[weight + other, 3 * weight + other]])
    torch.testing.assert_close(scorecam(masked(channels, IMAGE, total)), expected)


def test_ablationcam_by_hand():
    # Without the channels, the score of 5 is 3 and 6: losses of 2 and -1, [2-2 6+2].
    scores = torch.tensor([3.0, 6.0])
    saliency = ablationcam(without(CHANNELS, torch.tensor(5.0), lambda channels: scores[channels]))
    assert saliency.tolist() == [[0, 8]]


def test_a_negative_score_does_not_turn_ablationcam_inside_out():
    # Losses of 2 and -1 as above; divided by the score of -5 they would change their signs.
    scores = torch.tensor([-7.0, -4.0])
    saliency = ablationcam(without(CHANNELS, torch.tensor(-5.0), lambda channels: scores[channels]))
    assert saliency.tolist() == [[0, 8]]


def test_a_score_of_zero_is_no_reason_for_an_empty_ablationcam():
    # Losses of 2 and 0.
    scores = torch.tensor([-2.0, 0.0])
    saliency = ablationcam(without(CHANNELS, torch.tensor(0.0), lambda channels: scores[channels]))
    assert saliency.tolist() == [[2, 6]]


# --- In batches --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many_channels():
    """Channels for two full batches and a few more."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2 * BATCH_SIZE + 3, 4, 5, generator=generator)


def both_maps(activations, progress=None):
    x = torch.linspace(-1, 1, 2 * 4 * 5).view(2, 4, 5)
    losses = torch.linspace(-2, 3, len(activations))
    return (
        scorecam(masked(activations, x, lambda images: images[:, 0].sum(dim=(1, 2))), progress),
        ablationcam(
            without(activations, torch.tensor(1.0), lambda each: 1 - losses[each]), progress
        ),
    )


def test_batches_give_the_map_of_channels_one_by_one(many_channels, monkeypatch):
    in_batches = both_maps(many_channels)
    monkeypatch.setattr(perturbation, "BATCH_SIZE", 1)
    for expected, saliency in zip(both_maps(many_channels), in_batches, strict=True):
        assert saliency.any()
        torch.testing.assert_close(saliency, expected)


def test_no_batch_is_larger_than_it_may_be(many_channels):
    sizes = []

    def score(images):
        sizes.append(len(images))
        return total(images)

    scorecam(masked(many_channels, torch.ones(1, 4, 5), score))
    assert sizes == [BATCH_SIZE, BATCH_SIZE, 3]


def test_progress_counts_up_to_all_channels(many_channels):
    reports = []
    both_maps(many_channels, lambda *report: reports.append(report))
    count = 2 * BATCH_SIZE + 3
    assert reports == 2 * [(BATCH_SIZE, count), (2 * BATCH_SIZE, count), (count, count)]


@pytest.mark.parametrize("channels", [1, BATCH_SIZE])
def test_one_full_batch_is_reported_once(channels):
    reports = []
    both_maps(torch.ones(channels, 1, 1), lambda *report: reports.append(report))
    assert reports == 2 * [(channels, channels)]


# --- In whatever precision the network computes ------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_network_gets_images_of_its_own_type_and_maps_are_float32(dtype):
    types = set()

    def score(images):
        types.add(images.dtype)
        return total(images)

    saliency = scorecam(masked(CHANNELS.to(dtype), IMAGE.to(dtype), score))
    assert types == {dtype}
    assert saliency.dtype == torch.float32
    torch.testing.assert_close(saliency, scorecam(masked(CHANNELS, IMAGE, total)))
    losses = torch.tensor([2.0, 0.5], dtype=dtype)
    saliency = ablationcam(
        without(CHANNELS.to(dtype), losses.new_zeros(()), lambda each: -losses[each])
    )
    assert saliency.dtype == torch.float32
    assert saliency.tolist() == [[3, 5]]


def test_autocast_changes_no_map(many_channels):
    expected = both_maps(many_channels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        saliency = both_maps(many_channels)
    for ours, theirs in zip(saliency, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


# --- By peers ----------------------------------------------------------------------------------

CLASSES = [0, 1]
TARGETS = [ClassifierOutputTarget(class_idx) for class_idx in CLASSES]


@pytest.fixture(scope="module")
def network():
    """Its first ReLU is the target, as large as the image.

    pytorch-grad-cam enlarges channels with their corners aligned; here nothing is to be enlarged.
    """
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 2),
    ).eval()


@pytest.fixture(scope="module")
def batch():
    return 3 * torch.randn(2, 1, 7, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def activations(network, batch):
    with torch.no_grad():
        return network[:2](batch)


def map_of_peer(peer_class, network, batch, activations):
    with torch.no_grad(), peer_class(model=network, target_layers=[network[1]]) as peer:
        return peer.get_cam_image(batch, network[1], TARGETS, activations.numpy(), None)


@torch.no_grad()
def test_scorecam_equals_that_of_pytorch_grad_cam(network, batch, activations):
    theirs = map_of_peer(ScoreCAM, network, batch, activations)
    for sample, class_idx in enumerate(CLASSES):

        def score(images, class_idx=class_idx):
            return network(images)[:, class_idx]

        saliency = scorecam(masked(activations[sample], batch[sample], score))
        torch.testing.assert_close(saliency, torch.tensor(theirs[sample]))


@torch.no_grad()
def test_ablationcam_equals_that_of_pytorch_grad_cam(network, batch, activations):
    # It divides by the score, as the paper does.
    theirs = torch.tensor(map_of_peer(AblationCAM, network, batch, activations))
    logits = network(batch)
    for sample, class_idx in enumerate(CLASSES):

        def score_without(channels, sample=sample, class_idx=class_idx):
            zeroed = activations[sample].repeat(len(channels), 1, 1, 1)
            zeroed[range(len(channels)), channels] = 0
            return network[2:](zeroed)[:, class_idx]

        score = logits[sample, class_idx]
        saliency = ablationcam(without(activations[sample], score, score_without))
        assert saliency.any()
        torch.testing.assert_close(saliency, (theirs[sample] * score).relu())
