"""Augmentation: vary radiographs in training like patients, rooms and machines do."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from cxr_gradcam.cam.maps import resize
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
MIN_SCALE = 0.5
MIN_QUALITY = 35  # of JPEG, out of 100

Grey = NDArray[np.float32]


def augment(images: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Vary position, exposure, sharpness, noise, collimation and cover of each image.

    Tone curve and sharpness come in part from another image of the batch (`mix_appearance`);
    everything else is varied for each image independently.

    Args:
        images: (N, 1 or 2, H, W) in [0, 1]: a grey image and, as an optional second channel, the
            mask of its lesion. The mask is moved with the image and not changed otherwise.
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


def degrade(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Shrink some images and enlarge them again, and compress some by JPEG.

    Args:
        images: (N, C, H, W) on the CPU; only the first channel, grey in [0, 1], is changed.
        share: the share of the images that is shrunk, and the share that is compressed.
        generator: a CPU generator; the same state gives the same result.

    Returns:
        (N, C, H, W).
    """
    shrunk, side, compressed, quality = torch.rand(4, len(images), generator=generator)
    changed = images.clone()
    for index in ((shrunk < share) | (compressed < share)).nonzero()[:, 0].tolist():
        grey = images[index, 0].numpy()
        if shrunk[index] < share:
            grey = _shrunk(grey, MIN_SCALE + (1 - MIN_SCALE) * float(side[index]))
        if compressed[index] < share:
            grey = _compressed(
                grey, round(MIN_QUALITY + (95 - MIN_QUALITY) * float(quality[index]))
            )
        changed[index, 0] = torch.from_numpy(grey)
    return changed


def _shrunk(grey: Grey, scale: float) -> Grey:
    height, width = grey.shape
    small = cv2.resize(
        grey, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def _compressed(grey: Grey, quality: int) -> Grey:
    data = cv2.imencode(
        ".jpg", (grey * 255).round().astype(np.uint8), (cv2.IMWRITE_JPEG_QUALITY, quality)
    )[1]
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))
    return decoded.astype(np.float32) / np.float32(255)


def _uniform(count: int, limit: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * limit


def _move(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate, shift, stretch and, with a probability of one half, mirror each image."""
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
    """Blacken a border of random width, drawn for each side independently."""
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
    """Cover half of the images by a grey rectangle, like a marker, device or hidden name.

    Args:
        images: (N, 1, H, W) in [0, 1].
        generator: a CPU generator.

    Returns:
        (N, 1, H, W) in [0, 1].
    """
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
    """Blur or sharpen each image by a random amount, as detectors and image processing differ.

    Args:
        images: (N, 1, H, W) in [0, 1].
        generator: a CPU generator.

    Returns:
        (N, 1, H, W) in [0, 1].
    """
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
