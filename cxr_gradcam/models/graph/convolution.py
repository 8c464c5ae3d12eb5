"""A convolution for a graph: arrays, with the following BatchNorm folded in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float32]
Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution.

    Args:
        kernel: float32 (O, I / groups, kh, kw), as in the network.
        scale: float32 (O,), the factor of the following BatchNorm for each output; None without
            one.
        bias: float32 (O,), including the shift of the BatchNorm; None if there is no bias.
        stride: along height and width.
        padding: zeros at each side, along height and width.
        dilation: along height and width.
        groups: number of groups of channels; an output channel uses only inputs of its group.
    """

    kernel: Array
    scale: Array | None
    bias: Array | None
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int

    @classmethod
    def of(cls, layer: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> Convolution:
        """Return a layer with zero padding, and the following BatchNorm folded in.

        Args:
            layer: the convolution.
            norm: the following BatchNorm in eval mode; None for the layer alone.
        """
        bias = None if layer.bias is None else layer.bias.detach().double()
        scale = None
        if norm is not None:
            scale, shift = scale_and_shift(norm)
            bias = shift if bias is None else bias * scale + shift
        return cls(
            as_array(layer.weight),
            None if scale is None else as_array(scale),
            None if bias is None else as_array(bias),
            pair(layer.stride),
            pair(layer.padding),  # type: ignore[arg-type]  # "same" is not supported
            pair(layer.dilation),
            layer.groups,
        )

    @property
    def weight(self) -> Array:
        """The kernel with the BatchNorm folded in, (O, I / groups, kh, kw)."""
        return self.kernel if self.scale is None else self.kernel * self.scale[:, None, None, None]

    @property
    def is_strided(self) -> bool:
        """Whether the stride is above 1, so that the output may have fewer places."""
        return self.stride != (1, 1)

    @property
    def transposed_padding(self) -> Pair:
        """The zeros at each side of a gradient that a convolution backpropagates."""
        height, width = (
            dilation * (size - 1) - padding
            for size, padding, dilation in zip(
                self.kernel.shape[2:], self.padding, self.dilation, strict=True
            )
        )
        return height, width

    def transposed(self) -> Convolution:
        """Return the convolution that gives the gradient at the input, for a stride of 1."""
        weight = self.weight
        outputs, inputs, *kernel = weight.shape
        grouped = weight.reshape(self.groups, outputs // self.groups, inputs, *kernel)
        turned = grouped.swapaxes(1, 2)[..., ::-1, ::-1]
        return Convolution(
            np.ascontiguousarray(turned).reshape(self.groups * inputs, -1, *kernel),
            None,
            None,
            (1, 1),
            self.transposed_padding,
            self.dilation,
            self.groups,
        )


def scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return factor and summand of a BatchNorm in eval mode for each channel, float64.

    Args:
        norm: a BatchNorm with running statistics and affine weights.
    """
    mean, variance = norm.running_mean, norm.running_var
    scale = norm.weight.detach().double() / (variance.double() + norm.eps).sqrt()  # type: ignore[union-attr]
    return scale, norm.bias.detach().double() - mean.double() * scale  # type: ignore[union-attr]


def as_array(values: Tensor) -> Array:
    """Return a tensor as a float32 array."""
    return values.detach().float().cpu().numpy()


def pair(value: int | tuple[int, ...]) -> Pair:
    """Return a layer's setting as a pair for height and width."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])
