"""FullGrad: the contributions of the image and of every bias of a network to a score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.maps import resize


def fullgrad(parts: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """FullGrad: the magnitudes of the contributions of image and biases, each channel scaled.

    A channel's magnitudes are scaled from 0 to 1, resized to the image and summed. Evidence for a
    class and evidence against it are not distinguished.

    Args:
        parts: (N, K, h, w) each, as returned by `ForwardPass.full_gradients`.
        size: (H, W) in pixels.

    Returns:
        Maps (N, H, W), float32, at least 0, not normalised.

    Source: Srinivas and Fleuret, "Full-Gradient Representation for Neural Network Visualization",
    NeurIPS 2019.
    """
    maps = [resize(_scaled(part.float().abs()).sum(dim=1, keepdim=True), size) for part in parts]
    return torch.stack(maps).sum(dim=0)[:, 0]


def _scaled(channels: Tensor) -> Tensor:
    """Scale each channel (N, K, h, w) from 0 to 1; a constant one is 0."""
    low, high = channels.amin(dim=(2, 3), keepdim=True), channels.amax(dim=(2, 3), keepdim=True)
    return (channels - low) / (high - low).where(high > low, 1)


class BiasCapture:
    """The outputs of a network's convolutions and BatchNorms that have a bias, and the biases.

    Attributes:
        outputs: (N, K, h, w) each, part of the graph, one for each call of a layer.
        biases: (K,) each, the layer's output for an input of 0.
    """

    def __init__(self) -> None:
        self.outputs: list[Tensor] = []
        self.biases: list[Tensor] = []

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Hold hooks on the layers of a model in eval mode; none is left afterwards."""
        with ExitStack() as stack:
            for layer in model.modules():
                if bias_of(layer) is not None:
                    stack.callback(layer.register_forward_hook(self._take).remove)
            yield

    def _take(self, layer: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        bias = bias_of(layer)
        assert bias is not None  # noqa: S101 - only layers with a bias are watched
        self.outputs.append(output)
        self.biases.append(bias)
        return output.clone()  # an operation in place may follow


def bias_of(layer: nn.Module) -> Tensor | None:
    """Return the bias (K,) that a convolution or BatchNorm adds in eval mode, or None."""
    if isinstance(layer, nn.Conv2d) and layer.bias is not None:
        return layer.bias.detach()
    if not isinstance(layer, nn.BatchNorm2d):
        return None
    mean, variance = layer.running_mean, layer.running_var
    if mean is None or variance is None:
        return None
    shift = -mean / (variance + layer.eps).sqrt()
    return (shift * layer.weight + layer.bias).detach() if layer.affine else shift
