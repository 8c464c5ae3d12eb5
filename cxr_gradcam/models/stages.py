"""ResNet50 in stages: the trunk up to its last convolution, and the head after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.models import ResNet

LAYER2, LAYER3, CONV3 = "resnet50.layer2", "resnet50.layer3", "resnet50.layer4.2.conv3"
STAGES = (LAYER2, LAYER3, CONV3)
"""The layers whose outputs a trunk gives, in the order of the network."""

DETAIL = {
    "coarse": (CONV3,),
    "fine": (LAYER3, CONV3),
    "finest": (LAYER2, LAYER3, CONV3),
}
"""The layers of a map for each detail: with places of 32, 16 and 8 pixels of the input."""

SHOWN_FIRST = "fine"
"""The default detail of app and command line: its maps overlap lesions best."""


def layers_of(
    detail: Mapping[str, tuple[str, ...]], wanted: str | None, otherwise: str = SHOWN_FIRST
) -> tuple[str, ...]:
    """Return the layers of a map for a level of detail.

    Args:
        detail: the attribute `detail` of a `Classifier`.
        wanted: a key of `detail`; None for `otherwise` if the model has it, else its first key.
        otherwise: the preferred key if `wanted` is None.

    Raises:
        ValueError: the model's maps have no such detail.

    Example:
        >>> layers_of({"coarse": ("features",)}, None)
        ('features',)
    """
    if wanted is None:
        return detail[otherwise if otherwise in detail else next(iter(detail))]
    if wanted not in detail:
        raise ValueError(f"maps of this model are {', '.join(detail)}; there is no {wanted} one")
    return detail[wanted]


SHORTCUT = "shortcut"
"""The branch parallel to the last convolution, which is added to it after the trunk."""

RunTrunk = Callable[[Tensor, Sequence[str]], dict[str, Tensor]]
"""A function from images (N, 3, H, W) and stages to their, CONV3's and SHORTCUT's outputs,
float32."""


class Trunk(nn.Module):
    """ResNet50 up to its last convolution.

    Args:
        network: the network; it is shared, not copied.
    """

    def __init__(self, network: ResNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of layer2, layer3 and layer4's last conv3, and its parallel shortcut.

        Args:
            x: normalised images (N, 3, H, W).

        Returns:
            Four tensors, each (N, K, h, w).
        """
        network = self.network
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        layer2 = network.layer2(network.layer1(x))
        layer3 = network.layer3(layer2)
        return layer2, layer3, *last_convolution(network, layer3)


def last_convolution(network: ResNet, layer3: Tensor) -> tuple[Tensor, Tensor]:
    """Run from layer3's output to the last conv3 of layer4, and its parallel shortcut."""
    block = network.layer4[-1]
    shortcut = network.layer4[:-1](layer3)
    x = block.relu(block.bn1(block.conv1(shortcut)))
    return block.conv3(block.relu(block.bn2(block.conv2(x)))), shortcut


def head(network: ResNet, conv3: Tensor, shortcut: Tensor) -> tuple[Tensor, Tensor]:
    """Run from the last convolution and its shortcut to features (N, K) and logits (N, C)."""
    block = network.layer4[-1]
    x = block.relu(block.bn3(conv3) + shortcut)
    features = torch.flatten(network.avgpool(x), 1)
    # Row by row: a matrix product and a vector product round differently, so an image would have
    # other logits in a batch than alone.
    return features, torch.cat([network.fc(row) for row in features.split(1)])
