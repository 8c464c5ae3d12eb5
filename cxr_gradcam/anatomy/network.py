"""The network that outlines the lungs, and how its input is made."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Grey = NDArray[np.float32]

SIDE = 128
"""Height and width of the network's input in pixels."""
CHANNELS = (16, 32, 64, 128)
"""Feature maps at a half, a quarter, an eighth and a sixteenth of the input's side."""
DARKEST, BRIGHTEST = 1, 99
"""Percentiles of the grey values that become 0 and 1."""


class LungNetwork(nn.Module):
    """A U-Net (Ronneberger et al., MICCAI 2015) with one output for each lung.

    Four neighbouring pixels are rearranged to four channels at the input, and back at the output
    (Shi et al., CVPR 2016), so that no convolution runs at full resolution.

    Args:
        channels: number of feature maps of each level, from the finest to the coarsest.

    Example:
        >>> LungNetwork((4, 8))(torch.zeros(1, 1, 32, 32)).shape
        torch.Size([1, 2, 32, 32])
    """

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        self.channels = channels
        steps = list(pairwise(channels))
        self.down = nn.ModuleList(_block(*step) for step in [(4, channels[0]), *steps])
        self.up = nn.ModuleList(_block(fine + coarse, fine) for fine, coarse in reversed(steps))
        self.head = nn.Conv2d(channels[0], 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, 2, H, W) of inputs (N, 1, H, W): the left lung, the right lung.

        Left and right are the picture's. H and W must be multiples of two to the power of the
        levels.
        """
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps (N, K, h, w) of each level, from the finest to the coarsest."""
        levels = [self.down[0](F.pixel_unshuffle(x, 2))]
        for block in self.down[1:]:
            levels.append(block(F.max_pool2d(levels[-1], 2)))
        return levels

    def decode(self, levels: list[Tensor]) -> Tensor:
        """Return the logits (N, 2, H, W) for the feature maps of `encode`."""
        x = levels[-1]
        for block, level in zip(self.up, levels[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0), level], dim=1))
        return F.pixel_shuffle(self.head(x), 2)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        convolution = nn.Conv2d(channels, outputs, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def fused(network: LungNetwork) -> LungNetwork:
    """Return a copy with each BatchNorm folded into the convolution before it."""
    copy = LungNetwork(network.channels).eval()
    copy.load_state_dict(network.state_dict())
    for block in (*copy.down, *copy.up):
        for index in range(0, len(block), 3):
            block[index] = fuse_conv_bn_eval(block[index], block[index + 1])
            block[index + 1] = nn.Identity()
    return copy.to(memory_format=torch.channels_last)


def network_input(pixels: Grey) -> Tensor:
    """Return the network's input for a picture.

    Args:
        pixels: grey values (H, W) in [0, 1], high = dense, of any size.

    Returns:
        float32 (1, 1, 128, 128), resized to a square, with stretched grey values.
    """
    method = cv2.INTER_AREA if min(pixels.shape) > SIDE else cv2.INTER_LINEAR
    square = np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=method), np.float32)
    return torch.from_numpy(stretch(square))[None, None]


def stretch(pixels: Grey) -> Grey:
    """Stretch grey values (H, W) so that their 1st and 99th percentile become 0 and 1.

    Example:
        >>> stretch(np.float32([[0.2, 0.4], [0.4, 0.6]])).round(1).tolist()
        [[0.0, 0.5], [0.5, 1.0]]
    """
    low, high = np.percentile(pixels, (DARKEST, BRIGHTEST))
    return np.asarray(np.clip((pixels - low) / max(high - low, 1e-3), 0, 1), np.float32)
