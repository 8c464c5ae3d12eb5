"""Exchange between the pictures of a batch of what tells the machine instead of the patient.

Tone curve and sharpness of a radiograph come from the detector, from what the maker does to the
picture and from how it was stored. Where the ill lay at another machine than the healthy, a model
learns the machine. So in training each picture takes them, in part, from another one of any class.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 256
SIGMAS = (0.7, 1.4, 2.8, 5.6)  # pixels
MAX_GAIN = 5.0


def mix_appearance(images: Tensor, generator: torch.Generator) -> Tensor:
    """Draw each picture's tone curve and sharpness towards those of another one.

    Args:
        images: (N, 1, H, W) in [0, 1].
        generator: a CPU generator; the same state gives the same result.

    Returns:
        (N, 1, H, W) in [0, 1]; each goes a random part of the way, from none to all of it.
    """
    n = len(images)
    partner = torch.randperm(n, generator=generator).to(images.device)
    share_of_tone, share_of_detail = torch.rand(2, n, generator=generator).to(images)
    return match_detail(match_histogram(images, partner, share_of_tone), partner, share_of_detail)


def match_histogram(images: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Match the histogram of each picture to that of another, in 256 levels.

    Args:
        images: (N, 1, H, W) in [0, 1].
        partner: (N,), the index of the picture whose histogram each one takes.
        share: (N,) in [0, 1], how much of it.

    Returns:
        (N, 1, H, W) in [0, 1]; brighter places stay brighter, equal ones equal.
    """
    levels = _levels(images)
    counts = _histogram(levels)
    below = counts.cumsum(dim=1)
    curve = torch.searchsorted(below[partner], below - counts / 2).clamp(max=LEVELS - 1).to(
        images
    ) / (LEVELS - 1)
    toned = curve.gather(1, levels).view_as(images)
    return torch.lerp(images, toned, share.view(-1, 1, 1, 1))


def match_detail(images: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Return each picture as much detail of each fineness as another one has.

    The picture is taken apart into differences of Gaussians (Burt and Adelson 1983), and each part
    is strengthened or weakened.

    Args:
        images: (N, 1, H, W) in [0, 1].
        partner: (N,), the index of the picture whose detail each one takes.
        share: (N,) in [0, 1], how much of it, on a logarithmic scale.

    Returns:
        (N, 1, H, W) in [0, 1].
    """
    *parts, rest = difference_of_gaussians(images)
    result = rest
    for part in parts:
        strength = part.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-3)
        gain = (strength[partner] / strength).clamp(1 / MAX_GAIN, MAX_GAIN)
        result = result + part * gain ** share.view(-1, 1, 1, 1)
    return result.clamp(0, 1)


def _levels(images: Tensor) -> Tensor:
    return (images.clamp(0, 1) * (LEVELS - 1)).round().long().flatten(1)


def _histogram(levels: Tensor) -> Tensor:
    """Count the pixels of each level in (N, H * W), to (N, 256)."""
    ones = torch.ones_like(levels, dtype=torch.float)
    return ones.new_zeros(len(levels), LEVELS).scatter_add_(1, levels, ones)


def difference_of_gaussians(images: Tensor) -> list[Tensor]:
    """Split pictures into details from fine to coarse, and the rest (Burt & Adelson 1983).

    Args:
        images: (N, 1, H, W).

    Returns:
        One (N, 1, H, W) more than there are `SIGMAS`; their sum is the pictures.
    """
    blurred = [images, *(gaussian_blur(images, sigma) for sigma in SIGMAS)]
    return [*(fine - coarse for fine, coarse in pairwise(blurred)), blurred[-1]]


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Return images (N, 1, H, W) blurred by a Gaussian of `sigma` pixels.

    Two products of matrices are three times as fast here as two convolutions.
    """
    height, width = images.shape[-2:]
    return _blurring(height, sigma).to(images) @ images @ _blurring(width, sigma).to(images).T


@cache
def _blurring(length: int, sigma: float) -> Tensor:
    """Return the (length, length) matrix that blurs a column whose ends go on as they are."""
    radius = round(3 * sigma)
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-offsets.square() / (2 * sigma**2))
    units = F.pad(torch.eye(length)[:, None], (radius, radius), mode="replicate")
    return F.conv1d(units, (kernel / kernel.sum()).view(1, 1, -1))[:, 0].T
