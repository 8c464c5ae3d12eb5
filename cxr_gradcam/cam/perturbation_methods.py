"""CAM methods without gradients: how the score changes when a channel is shown or removed.

These methods run the network once per channel, in batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cxr_gradcam.cam.maps import resize, weighted_sum

BATCH_SIZE = 32
STEPS = 10
"""Number of masked images per channel in SS-CAM and IS-CAM: N of both papers."""
SMOOTHING = 2.0
"""The standard deviation of SS-CAM's noise, as in its paper."""

Progress = Callable[[int, int], None]
"""Called with the number of channels done and the number of all channels."""


@dataclass(frozen=True, eq=False)
class ScoredSample:
    """One image, its activations at one layer, and the scores of changed versions of it.

    Attributes:
        activations: (K, h, w), the layer's output.
        x: the image as the network takes it, (C, H, W).
        score: (), the explained score of the image itself.
        score_of: returns the scores (B,) of other images (B, C, H, W).
        score_without: returns the scores (B,) with one of the layer's channels (B,) removed each.
    """

    activations: Tensor
    x: Tensor
    score: Tensor
    score_of: Callable[[Tensor], Tensor]
    score_without: Callable[[Tensor], Tensor]


def scorecam(sample: ScoredSample, progress: Progress | None = None) -> Tensor:
    """Score-CAM: each channel is weighted by the score of the image masked by it.

    Args:
        sample: the image and its layer.
        progress: called after each batch of channels.

    Returns:
        Map (h, w), float32, at least 0, not normalised.

    Source: Wang et al., "Score-CAM", CVPR Workshops 2020, algorithm 1. The score of the baseline is
    the same for all channels and cancels in the softmax.
    """
    activations, x = sample.activations.float(), sample.x
    size = (x.shape[-2], x.shape[-1])
    scores = [
        sample.score_of(_masks(chunk, size)[:, None].to(x.dtype) * x)
        for chunk in _chunks(activations, progress)
    ]
    return _weighted_by_score(torch.cat(scores), activations)


def sscam(sample: ScoredSample, progress: Progress | None = None) -> Tensor:
    """SS-CAM: each channel is weighted by the image's score, masked by the channel plus noise.

    Noise is added to the channel after resizing it to the image; the scores of `STEPS` draws are
    averaged.

    Args:
        sample: the image and its layer.
        progress: called after each batch of channels.

    Returns:
        Map (h, w), float32, at least 0, not normalised.

    Source: Wang et al., "SS-CAM: Smoothed Score-CAM", 2020 (arXiv 2006.14255), with noise on the
    channels; the score of the image itself cancels in the softmax.
    """
    activations, x = sample.activations.float(), sample.x
    size = (x.shape[-2], x.shape[-1])
    generator = torch.Generator().manual_seed(0)  # the same map for the same image

    def noisy(masks: Tensor) -> Tensor:
        noise = torch.randn(masks.shape, generator=generator).to(masks)
        return masks + SMOOTHING * noise

    scores = []
    for chunk in _chunks(activations, progress):
        masks = _masks(chunk, size)
        seen = [sample.score_of(noisy(masks)[:, None].to(x.dtype) * x) for _ in range(STEPS)]
        scores.append(torch.stack(seen).float().mean(dim=0))
    return _weighted_by_score(torch.cat(scores), activations)


def iscam(sample: ScoredSample, progress: Progress | None = None) -> Tensor:
    """IS-CAM: each channel is weighted by the mean score while the masked image fades in.

    The image masked by the channel fades in by `STEPS` equal steps, and the scores are averaged, as
    in the integral of Integrated Gradients.

    Args:
        sample: the image and its layer.
        progress: called after each batch of channels.

    Returns:
        Map (h, w), float32, at least 0, not normalised.

    Source: Naidu et al., "IS-CAM: Integrated Score-CAM", 2020 (arXiv 2010.03023); the score of the
    image itself cancels in the softmax.
    """
    activations, x = sample.activations.float(), sample.x
    size = (x.shape[-2], x.shape[-1])
    scores = []
    for chunk in _chunks(activations, progress):
        shown = _masks(chunk, size)[:, None].to(x.dtype) * x
        seen = [sample.score_of(shown * (step / STEPS)) for step in range(1, STEPS + 1)]
        scores.append(torch.stack(seen).float().mean(dim=0))
    return _weighted_by_score(torch.cat(scores), activations)


def ablationcam(sample: ScoredSample, progress: Progress | None = None) -> Tensor:
    """Ablation-CAM: each channel is weighted by the loss of score when it is set to zero.

    The paper divides the loss by the score, the same number for all channels. If the score is
    negative, this would invert the map, so the division is omitted.

    Args:
        sample: the image and its layer.
        progress: called after each batch.

    Returns:
        Map (h, w), float32, at least 0, not normalised.

    Source: Desai and Ramaswamy, "Ablation-CAM", WACV 2020, equations 3 and 4.
    """
    activations = sample.activations
    channels = torch.arange(len(activations), device=activations.device)
    scores = [sample.score_without(chunk) for chunk in _chunks(channels, progress)]
    losses = sample.score.float() - torch.cat(scores).float()
    return weighted_sum(losses[None], activations[None])[0]


def _weighted_by_score(scores: Tensor, activations: Tensor) -> Tensor:
    """Return the positive part of channels (K, h, w) weighted by the softmax of scores (K,)."""
    return weighted_sum(scores.float().softmax(dim=0)[None], activations[None])[0]


def _chunks(values: Tensor, progress: Progress | None) -> Iterator[Tensor]:
    done = 0
    for chunk in values.split(BATCH_SIZE):
        yield chunk
        done += len(chunk)
        if progress is not None:
            progress(done, len(values))


def _masks(activations: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize channels (B, h, w) to the image and scale each from 0 to 1; a constant one is 0."""
    masks = resize(activations[:, None], size)[:, 0]
    low, high = masks.amin(dim=(1, 2), keepdim=True), masks.amax(dim=(1, 2), keepdim=True)
    return (masks - low) / (high - low).where(high > low, 1)
