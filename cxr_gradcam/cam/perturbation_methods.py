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
        score_without: returns the scores (B,) without each of the layer's channels (B,).
    """

    activations: Tensor
    x: Tensor
    score: Tensor
    score_of: Callable[[Tensor], Tensor]
    score_without: Callable[[Tensor], Tensor]


def scorecam(sample: ScoredSample, progress: Progress | None = None) -> Tensor:
    """Score-CAM: each channel counts by the score of the image seen through it.

    Args:
        sample: the image and its layer.
        progress: called after each batch of channels.

    Returns:
        Map (h, w), float32, at least 0, not normalised.

    Source: Wang et al., "Score-CAM", CVPR Workshops 2020, algorithm 1. The score of the baseline
    is the same for all channels and falls out of the softmax.
    """
    activations, x = sample.activations.float(), sample.x
    size = (x.shape[-2], x.shape[-1])
    scores = [
        sample.score_of(_masks(chunk, size)[:, None].to(x.dtype) * x)
        for chunk in _chunks(activations, progress)
    ]
    weights = torch.cat(scores).float().softmax(dim=0)
    return weighted_sum(weights[None], activations[None])[0]


def ablationcam(sample: ScoredSample, progress: Progress | None = None) -> Tensor:
    """Ablation-CAM: each channel counts by what the score loses when it is set to zero.

    The paper divides the loss by the score, the same number for all channels. Where the score is
    negative, that would turn the map inside out; it is left out.

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


def _chunks(values: Tensor, progress: Progress | None) -> Iterator[Tensor]:
    done = 0
    for chunk in values.split(BATCH_SIZE):
        yield chunk
        done += len(chunk)
        if progress is not None:
            progress(done, len(values))


def _masks(activations: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring channels (B, h, w) to the image's grid, each from 0 to 1; a constant one is 0."""
    masks = resize(activations[:, None], size)[:, 0]
    low, high = masks.amin(dim=(1, 2), keepdim=True), masks.amax(dim=(1, 2), keepdim=True)
    return (masks - low) / (high - low).where(high > low, 1)
