"""A network so small that its maps are worked out by hand."""

import torch
from torch import nn


class TinyNetwork(nn.Module):
    """Two channels, A1 = x and A2 = 5 - 2x, then ReLU, their mean, and three classes."""

    def __init__(self):
        super().__init__()
        self.target = nn.Conv2d(1, 2, 1)
        self.head = nn.Linear(2, 3, bias=False)
        with torch.no_grad():
            self.target.weight.copy_(torch.tensor([1.0, -2.0]).view(2, 1, 1, 1))
            self.target.bias.copy_(torch.tensor([0.0, 5.0]))
            self.head.weight.copy_(torch.tensor([[1.0, 2.0], [-2.0, 4.0], [-4.0, 1.0]]))

    def tail(self, activations):
        return self.head(activations.relu().mean(dim=(2, 3)))

    def forward(self, x):
        # In place, as many networks have it: what was captured must not change.
        return self.head(self.target(x).relu_().mean(dim=(2, 3)))
