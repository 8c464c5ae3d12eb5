"""Augmentation of radiographs in training: what differs between patients, rooms and machines."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cxr_gradcam.preprocess import resize

MAX_ROTATION = math.radians(10)
MAX_SHIFT = 0.07  # of half the side
MAX_STRETCH = 0.15
MAX_LOG_GAMMA = 0.4
MAX_CONTRAST = 0.25
MAX_BRIGHTNESS = 0.12
MAX_NOISE = 0.03
MAX_BORDER = 0.06  # of the side


def augment(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Vary position, exposure, noise and collimation of each image on its own.

    Args:
        images: grey images (N, 1, H, W) in [0, 1].
        size: side of the result in pixels.
        generator: a CPU generator; the same state gives the same result.

    Returns:
        Images (N, 1, size, size) in [0, 1].
    """
    images = _collimate(_move(images, generator), generator)
    if images.shape[-1] != size:
        images = resize(images, (size, size))
    return _expose(images, generator)


def _uniform(count: int, limit: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * limit


def _move(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate, shift, stretch and, every second time, mirror."""
    n = len(images)
    angle = _uniform(n, MAX_ROTATION, generator)
    shift_x, shift_y = (_uniform(n, MAX_SHIFT, generator) for _ in range(2))
    scale_x, scale_y = (_uniform(n, MAX_STRETCH, generator).exp() for _ in range(2))
    mirror = torch.randint(0, 2, (n,), generator=generator) * 2 - 1
    rows = [
        torch.stack([angle.cos() * scale_x * mirror, -angle.sin() * scale_y, shift_x], dim=1),
        torch.stack([angle.sin() * scale_x * mirror, angle.cos() * scale_y, shift_y], dim=1),
    ]
    theta = torch.stack(rows, dim=1).to(images)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def _collimate(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blacken a border of random width, on each side on its own."""
    n, _, height, width = images.shape
    left, right, top, bottom = (
        (torch.rand(n, generator=generator) * 2 - 1).clamp_min(0).to(images) * MAX_BORDER
        for _ in range(4)
    )
    x = torch.linspace(0, 1, width, device=images.device)
    y = torch.linspace(0, 1, height, device=images.device)
    inside_x = (x >= left[:, None]) & (x <= 1 - right[:, None])
    inside_y = (y >= top[:, None]) & (y <= 1 - bottom[:, None])
    return images * (inside_y[:, None, :, None] & inside_x[:, None, None, :])


def _expose(images: Tensor, generator: torch.Generator) -> Tensor:
    """Vary the tone curve, contrast and brightness, and add noise."""
    n = len(images)

    def per_image(limit: float) -> Tensor:
        return _uniform(n, limit, generator).to(images)[:, None, None, None]

    toned = images.clamp(0, 1) ** per_image(MAX_LOG_GAMMA).exp()
    contrasted = (toned - 0.5) * (1 + per_image(MAX_CONTRAST)) + 0.5 + per_image(MAX_BRIGHTNESS)
    noise = torch.randn(images.shape, generator=generator).to(images)
    return (contrasted + noise * per_image(MAX_NOISE).abs()).clamp(0, 1)
