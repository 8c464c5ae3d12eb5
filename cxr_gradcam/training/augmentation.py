"""Augmentation of radiographs in training: what differs between patients, rooms and machines."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cxr_gradcam.models.preprocessing import resize
from cxr_gradcam.training.appearance import mix_appearance

MAX_ROTATION = math.radians(10)
MAX_SHIFT = 0.07  # of half the side
MAX_STRETCH = 0.2
MAX_LOG_GAMMA = 0.4
MAX_CONTRAST = 0.25
MAX_BRIGHTNESS = 0.12
MAX_NOISE = 0.03
MAX_BORDER = 0.06  # of the side
MAX_COVER = 0.25  # of the side
MAX_SHARPENING = 0.5


def augment(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Vary position, exposure, sharpness, noise, collimation and cover of each image.

    Tone curve and sharpness come in part from another image of the batch, see `exchange`; all
    else is varied for each on its own.

    Args:
        images: (N, 1 or 2, H, W) in [0, 1]: the grey image and, if there, its lesion's mask,
            which moves with it and stays as it is otherwise.
        size: side of the result in pixels.
        generator: a CPU generator; the same state gives the same result.

    Returns:
        (N, 1 or 2, size, size) in [0, 1].
    """
    moved = _move(images, generator)
    grey = cover(_collimate(moved[:, :1], generator), generator)
    moved = torch.cat([grey, moved[:, 1:]], dim=1)
    if moved.shape[-1] != size:
        moved = resize(moved, (size, size))
    mixed = mix_appearance(moved[:, :1], generator)
    grey = _expose(refocus(mixed, generator), generator)
    return torch.cat([grey, moved[:, 1:]], dim=1)


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


def cover(images: Tensor, generator: torch.Generator) -> Tensor:
    """Lay a grey rectangle over every second image: a marker, a device, a blackened name."""
    n, _, height, width = images.shape
    middle_x, middle_y, half_x, half_y, grey, there = torch.rand(6, n, generator=generator).to(
        images
    )[..., None]
    x = torch.linspace(0, 1, width, device=images.device)
    y = torch.linspace(0, 1, height, device=images.device)
    inside_x = (x - middle_x).abs() < half_x * MAX_COVER / 2
    inside_y = ((y - middle_y).abs() < half_y * MAX_COVER / 2) & (there < 0.5)
    covered = inside_y[:, None, :, None] & inside_x[:, None, None, :]
    return torch.where(covered, grey[..., None, None], images)


def refocus(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur or sharpen: detectors and what was done to their pictures differ in detail."""
    amount = _uniform(len(images), MAX_SHARPENING, generator).to(images)[:, None, None, None]
    kernel = images.new_tensor([1.0, 4, 6, 4, 1]) / 16
    padded = F.pad(images, (2, 2, 2, 2), mode="replicate")
    blurred = F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, 5)), kernel.view(1, 1, 5, 1))
    return (images + amount * (images - blurred)).clamp(0, 1)


def _expose(images: Tensor, generator: torch.Generator) -> Tensor:
    """Vary the tone curve, contrast and brightness, and add noise."""
    n = len(images)

    def per_image(limit: float) -> Tensor:
        return _uniform(n, limit, generator).to(images)[:, None, None, None]

    toned = images.clamp(0, 1) ** per_image(MAX_LOG_GAMMA).exp()
    contrasted = (toned - 0.5) * (1 + per_image(MAX_CONTRAST)) + 0.5 + per_image(MAX_BRIGHTNESS)
    noise = torch.randn(images.shape, generator=generator).to(images)
    return (contrasted + noise * per_image(MAX_NOISE).abs()).clamp(0, 1)
