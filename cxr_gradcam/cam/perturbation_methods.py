"""Class activation maps without gradients: what the score becomes when a channel is shown or taken.

They ask the network once per channel, in batches, and cost accordingly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from cxr_gradcam.cam.gradient_methods import weighted_sum
from cxr_gradcam.models.preprocessing import resize

BATCH_SIZE = 32

Progress = Callable[[int, int], None]
"""Called with the channels done and the channels there are."""


def scorecam(
    activations: Tensor,
    x: Tensor,
    score: Callable[[Tensor], Tensor],
    progress: Progress | None = None,
) -> Tensor:
    """Score-CAM: each channel counts by the score of the image seen through it.

    Args:
        activations: (K, h, w), of one image.
        x: that image as the network takes it, (C, H, W).
        score: gives the explained score (B,) of images (B, C, H, W).
        progress: called after each batch.

    Returns:
        Map (h, w), float32, at least 0, not normalised.

    Source: Wang et al., "Score-CAM", CVPR Workshops 2020, algorithm 1. The score of the baseline
    is the same for all channels and falls out of the softmax.
    """
    activations = activations.float()
    size = (x.shape[-2], x.shape[-1])
    scores = [
        score(_masks(chunk, size)[:, None].to(x.dtype) * x)
        for chunk in _chunks(activations, progress)
    ]
    weights = torch.cat(scores).float().softmax(dim=0)
    return weighted_sum(weights[None], activations[None])[0]


def ablationcam(
    activations: Tensor,
    score: Tensor,
    score_without: Callable[[Tensor], Tensor],
    progress: Progress | None = None,
) -> Tensor:
    """Ablation-CAM: each channel counts by what the score loses when it is set to zero.

    The paper divides the loss by the score, the same number for all channels. Where the score is
    negative, that would turn the map inside out; it is left out.

    Args:
        activations: (K, h, w), of one image.
        score: (), the explained score with all channels.
        score_without: gives the scores (B,) without each of the channels (B,).
        progress: called after each batch.

    Returns:
        Map (h, w), float32, at least 0, not normalised.

    Source: Desai and Ramaswamy, "Ablation-CAM", WACV 2020, equations 3 and 4.
    """
    channels = torch.arange(len(activations), device=activations.device)
    scores = [score_without(chunk) for chunk in _chunks(channels, progress)]
    losses = score.float() - torch.cat(scores).float()
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
