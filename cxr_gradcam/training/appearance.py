"""Exchange of tone curve and sharpness between the images of a batch.

Both depend on the detector, on the maker's image processing and on how a file was stored. If the
ill were imaged by another machine than the healthy, a model learns the machine. So in training each
image takes tone curve and sharpness in part from another image, whatever its class.
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
    """Move each image's tone curve and sharpness towards those of another image.

    Args:
        images: (N, 1, H, W) in [0, 1].
        generator: a CPU generator; the same state gives the same result.

    Returns:
        (N, 1, H, W) in [0, 1]; how far each image moves is random, from 0 to 1.
    """
    n = len(images)
    partner = torch.randperm(n, generator=generator).to(images.device)
    share_of_tone, share_of_detail = torch.rand(2, n, generator=generator).to(images)
    return match_detail(match_histogram(images, partner, share_of_tone), partner, share_of_detail)


def match_histogram(images: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Match the histogram of each image to that of another image, in 256 levels.

    Args:
        images: (N, 1, H, W) in [0, 1].
        partner: (N,), for each image the index of the image whose histogram it takes.
        share: (N,) in [0, 1], how far the histogram is matched; 0 changes nothing.

    Returns:
        (N, 1, H, W) in [0, 1]; the order of grey values is kept.
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
    """Give each image as much detail at each scale as another image has.

    The image is decomposed into differences of Gaussians (Burt and Adelson 1983), and each of these
    is amplified or attenuated.

    Args:
        images: (N, 1, H, W) in [0, 1].
        partner: (N,), for each image the index of the image whose detail it takes.
        share: (N,) in [0, 1], how far the detail is matched, on a logarithmic scale.

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
    """Decompose images into details from fine to coarse, and the rest (Burt & Adelson 1983).

    Args:
        images: (N, 1, H, W).

    Returns:
        One (N, 1, H, W) for each of `SIGMAS`, then the rest; their sum is the images.
    """
    blurred = [images, *(gaussian_blur(images, sigma) for sigma in SIGMAS)]
    return [*(fine - coarse for fine, coarse in pairwise(blurred)), blurred[-1]]


def gaussian_blur(images: Tensor, sigma: float) -> Tensor:
    """Blur images by a Gaussian.

    Two matrix products are three times as fast here as two convolutions.

    Args:
        images: (N, 1, H, W).
        sigma: the standard deviation in pixels.

    Returns:
        (N, 1, H, W).
    """
    height, width = images.shape[-2:]
    return _blurring(height, sigma).to(images) @ images @ _blurring(width, sigma).to(images).T


@cache
def _blurring(length: int, sigma: float) -> Tensor:
    """Return the (length, length) matrix that blurs a column; its ends are repeated outwards."""
    radius = round(3 * sigma)
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-offsets.square() / (2 * sigma**2))
    units = F.pad(torch.eye(length)[:, None], (radius, radius), mode="replicate")
    return F.conv1d(units, (kernel / kernel.sum()).view(1, 1, -1))[:, 0].T
