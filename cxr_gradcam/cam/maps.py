"""Combine channels to a map, and the maps of layers to one map of the image's size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Fusion = Literal["mean", "max", "product"]
"""How the maps of several layers become one."""

_FUSE: dict[Fusion, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": Tensor.add_,  # the sum; it is divided by the number of layers afterwards
    "max": lambda fused, maps: torch.maximum(fused, maps, out=fused),
    "product": Tensor.mul_,
}


def weighted_sum(weights: Tensor, activations: Tensor) -> Tensor:
    """Return the positive part of the weighted sum of the channels.

    Args:
        weights: (N, K).
        activations: (N, K, h, w).

    Returns:
        Maps (N, h, w), float32, at least 0.
    """
    # No matrix product: in autocast that would lose precision.
    return (weights[:, :, None, None] * activations.float()).sum(dim=1).relu()


def fuse(
    maps: Sequence[Tensor], size: tuple[int, int], fusion: Fusion = "mean"
) -> tuple[Tensor, Tensor]:
    """Resize the maps of one or several layers to an image and fuse them.

    Each layer's map is scaled to a maximum of 1 before fusing, and so is the result.

    Args:
        maps: one per layer, (N, h, w), at least 0; h and w may differ.
        size: (H, W) in pixels.
        fusion: "mean", "max" or "product" over the layers.

    Returns:
        Heat maps (N, H, W), float32 in [0, 1], and peaks (N,), the maxima before the last scaling:
        for one layer in the units of its maps; for several layers a fraction of full agreement.

    Raises:
        ValueError: `fusion` is unknown.
    """
    check_fusion(fusion)
    if len(maps) == 1:
        return upsample(maps[0], size)
    fused, peaks = _scale(reduce(_FUSE[fusion], (upsample(each, size)[0] for each in maps)))
    return fused, peaks / len(maps) if fusion == "mean" else peaks


def upsample(maps: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Resize maps to an image and scale each to a maximum of 1.

    An empty map stays empty: it is not divided by its maximum of 0.

    Args:
        maps: (N, h, w), at least 0.
        size: (H, W) in pixels.

    Returns:
        Heat maps (N, H, W), float32 in [0, 1], and peaks (N,), the maxima before scaling.
    """
    # Several times as quick as `resize`, which computes every pixel's weights anew.
    with torch.autocast(maps.device.type, enabled=False):
        rows, columns = (_weights(maps, side, size[side]) for side in (0, 1))
        return _scale(rows @ maps.float() @ columns.mT)


def _weights(maps: Tensor, side: int, length: int) -> Tensor:
    """Return the matrix (length, h or w) that resizes one side of maps (N, h, w)."""
    known = maps.shape[1 + side]
    identity = torch.eye(known, device=maps.device)[None, None]
    return resize(identity, (length, known))[0, 0]


def _scale(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Divide new maps (N, H, W) in place by their maxima (N,), and return both."""
    peaks = maps.amax(dim=(1, 2))
    return maps.div_(peaks.where(peaks > 0, 1)[:, None, None]), peaks


def resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images (N, C, h, w) to (N, C, *size), bilinear with antialiasing."""
    return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)


def check_fusion(fusion: str) -> None:
    """Refuse an unknown way to fuse layers.

    Args:
        fusion: "mean", "max" or "product".

    Raises:
        ValueError: `fusion` is none of these.
    """
    if fusion not in get_args(Fusion):
        raise ValueError(
            f"layers are fused by 'mean', 'max' or 'product', not {fusion!r}: choose one of them"
        )
