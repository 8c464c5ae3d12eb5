"""torchvision's ResNets, forward and backward, in operations that every graph format has.

The gradient at a layer's input is computed from the gradient at its output by transposed
convolutions and the masks of the ReLUs, which mark where an activation was above 0.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from torch import nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock, Bottleneck

from cxr_gradcam.models.graph.convolution import Array, Convolution, Pair, as_array, pair
from cxr_gradcam.models.graph.convolution import scale_and_shift as of_norm

Value = TypeVar("Value")
Size = Any
"""A size (h, w), as numbers or as a value of the graph."""

LAYERS = ("layer1", "layer2", "layer3", "layer4")

_KINDS = (
    *(ResNet, BasicBlock, Bottleneck, nn.Sequential, nn.Conv2d, nn.BatchNorm2d, nn.ReLU),
    *(nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Linear),
)
"""The modules of a torchvision ResNet."""


class Operations(Protocol[Value]):
    """The operations that make a graph. A value is (N, K, h, w) unless stated otherwise."""

    def convolution(self, x: Value, layer: Convolution) -> Value:
        """Convolve, and add the bias if there is one."""
        ...

    def back(self, gradient: Value, layer: Convolution, size: Size) -> Value:
        """Return the gradient at a convolution's input; a strided one needs `size`, its (h, w)."""
        ...

    def max_pool(self, x: Value, kernel: Pair, stride: Pair, padding: Pair) -> Value:
        """Return the maximum of each window."""
        ...

    def relu(self, x: Value) -> Value:
        """Return the values above 0, and 0 elsewhere."""
        ...

    def add(self, first: Value, second: Value) -> Value:
        """Add place by place."""
        ...

    def affine(self, x: Value, scale: Array, shift: Array) -> Value:
        """Multiply each channel by its `scale` (K,) and add its `shift` (K,)."""
        ...

    def mask(self, x: Value) -> Value:
        """Return a mask of the values above 0."""
        ...

    def masked(self, gradient: Value, mask: Value) -> Value:
        """Return the gradient where the mask is set, and 0 elsewhere.

        Gradients of several scores (Q, K, h, w) may share the mask (1, K, h, w) of one image, and
        a gradient (Q, K, 1, 1) is the same at every place.
        """
        ...

    def mean(self, x: Value) -> Value:
        """Return the mean over all places, (N, K)."""
        ...


def is_supported(network: nn.Module) -> bool:
    """Return whether a network is a torchvision ResNet that this module can describe.

    Args:
        network: any module. Settings of layers that are not checked here are noticed when the
            compiled graph is compared with the network.
    """
    if type(network) is not ResNet or type(network.fc) is not nn.Linear:
        return False
    return all(type(module) in _KINDS and _is_plain(module) for module in network.modules())


def _is_plain(module: nn.Module) -> bool:
    """Return whether a layer has only settings that the description supports."""
    if isinstance(module, nn.Conv2d):
        return module.padding_mode == "zeros" and not isinstance(module.padding, str)
    if isinstance(module, nn.BatchNorm2d):
        return module.affine and module.running_mean is not None
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return module.output_size in (1, (1, 1))
    return not isinstance(module, nn.MaxPool2d) or not (
        module.ceil_mode or module.return_indices or module.dilation != 1
    )


def last_block(network: ResNet) -> str:
    """Return the name of a ResNet's last block, such as "layer4.2"."""
    return f"layer4.{len(network.layer4) - 1}"


def last_convolution(network: ResNet) -> str:
    """Return the name of a ResNet's last convolution, such as "layer4.2.conv3"."""
    return f"{last_block(network)}.conv{len(_convolutions(network.layer4[-1]))}"


def last_norm(network: ResNet) -> nn.BatchNorm2d:
    """Return the BatchNorm after a ResNet's last convolution."""
    return _convolutions(network.layer4[-1])[-1][1]


def stages(network: ResNet) -> tuple[str, ...]:
    """Return the layers that can be mapped, from the first to the last."""
    return "layer2", "layer3", last_convolution(network), "layer4"


def layers_behind(stage: str) -> tuple[tuple[str, str], ...]:
    """Return the layers that gradients pass to reach a stage, each with the stage before it.

    Example:
        >>> layers_behind("layer2")
        (('layer4', 'layer3'), ('layer3', 'layer2'))
    """
    behind = (("layer4", "layer3"), ("layer3", "layer2"))
    return {"layer2": behind, "layer3": behind[:1]}.get(stage, ())


def _convolutions(block: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Return a block's convolutions, without the shortcut's, each with the BatchNorm after it."""
    numbers = (1, 2) if isinstance(block, BasicBlock) else (1, 2, 3)
    return [(getattr(block, f"conv{n}"), getattr(block, f"bn{n}")) for n in numbers]


class Description(Generic[Value]):
    """The graph of a network, part by part.

    Args:
        network: a network that `is_supported`; its BatchNorms are used as in eval mode.
        operations: the operations that make the graph.
    """

    def __init__(self, network: ResNet, operations: Operations[Value]) -> None:
        self._network, self._make = network, operations
        self._convolutions: dict[tuple[nn.Module, ...], Convolution] = {}

    def _folded(self, *layers: Any) -> Convolution:  # noqa: ANN401
        """Return a convolution with its BatchNorm; the same object forward and backward."""
        if layers not in self._convolutions:
            self._convolutions[layers] = Convolution.of(*layers)
        return self._convolutions[layers]

    def forward(self, x: Value, first: str) -> tuple[dict[str, Value], dict[str, Value]]:
        """Describe the forward pass from the input to the head's features.

        Args:
            x: normalised images (N, C, H, W).
            first: the first of `stages` to map.

        Returns:
            The outputs of `stages` from the first on, "shortcut", which is added after the last
            convolution, and "features" (N, K); and the masks that `backward` takes.
        """
        network, make = self._network, self._make
        outputs: dict[str, Value] = {}
        masks: dict[str, Value] = {}
        x = make.relu(make.convolution(x, self._folded(network.conv1, network.bn1)))
        pool = network.maxpool
        x = make.max_pool(x, pair(pool.kernel_size), pair(pool.stride), pair(pool.padding))
        passed = [layer for layer, _ in layers_behind(first)]
        for layer in LAYERS:
            wanted = masks if layer in passed else None
            for index, block in enumerate(getattr(network, layer)):
                x = self._block(f"{layer}.{index}", block, x, outputs, wanted)
            outputs[layer] = x
        masks.setdefault(last_block(network), make.mask(x))
        names = stages(network)
        kept = {*names[min(names.index(first), 2) :], "shortcut"}
        outputs = {name: value for name, value in outputs.items() if name in kept}
        return outputs | {"features": make.mean(x)}, masks

    def _block(
        self,
        name: str,
        block: nn.Module,
        x: Value,
        outputs: dict[str, Value],
        masks: dict[str, Value] | None,
    ) -> Value:
        make, shortcut = self._make, x
        *inner, (last, norm) = _convolutions(block)
        for number, each in enumerate(inner, 1):
            x = make.relu(make.convolution(x, self._folded(*each)))
            if masks is not None:
                masks[f"{name}.conv{number}"] = make.mask(x)
        if isinstance(block.downsample, nn.Sequential):
            shortcut = make.convolution(shortcut, self._folded(*block.downsample))
        if last is _convolutions(self._network.layer4[-1])[-1][0]:  # a map may be made in between
            x = outputs[last_convolution(self._network)] = make.convolution(x, self._folded(last))
            outputs["shortcut"] = shortcut
            x = make.affine(x, *(as_array(values) for values in of_norm(norm)))
        else:
            x = make.convolution(x, self._folded(last, norm))
        x = make.relu(make.add(x, shortcut))
        if masks is not None:
            masks[name] = make.mask(x)
        return x

    def backward(self, layer: str, gradient: Value, masks: dict[str, Value], size: Size) -> Value:
        """Describe the backward pass from a layer's output to its input.

        Args:
            layer: one of `LAYERS`.
            gradient: gradient at the layer's output, (Q, K, h, w), or (Q, K, 1, 1) if it is the
                same everywhere.
            masks: masks of the layer's ReLUs from `forward`, for one image or for Q.
            size: (h, w) of the layer's input.

        Returns:
            The gradient at its input, (Q, K, *size).
        """
        blocks = list(enumerate(getattr(self._network, layer)))
        for index, block in reversed(blocks):
            name, make = f"{layer}.{index}", self._make
            gradient = shortcut = make.masked(gradient, masks[name])
            convolutions = list(enumerate(_convolutions(block), 1))
            for number, each in reversed(convolutions):
                if number < len(convolutions):
                    gradient = make.masked(gradient, masks[f"{name}.conv{number}"])
                gradient = make.back(gradient, self._folded(*each), size)
            if isinstance(block.downsample, nn.Sequential):
                shortcut = make.back(shortcut, self._folded(*block.downsample), size)
            gradient = make.add(gradient, shortcut)
        return gradient
