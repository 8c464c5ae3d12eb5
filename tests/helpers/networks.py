"""Networks with random weights whose activations do not vanish."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def lively(network: Network, images: Tensor, passes: int = 1) -> Network:
    """Give a network BatchNorms that change what passes, fitted to images; return it in eval mode.

    Args:
        network: a network with random weights.
        images: (N, C, H, W), more than one.
        passes: how many times the statistics are updated.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.5
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    network.train()
    with torch.no_grad():
        for _ in range(passes):
            network(images)
    return network.eval()
