"""A convolution as a graph has it: arrays, with the BatchNorm behind it folded in."""

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
        kernel: float32 (O, I / groups, kh, kw), as the network has it.
        scale: float32 (O,), what the BatchNorm behind multiplies each output by; None without one.
        bias: float32 (O,), with what the BatchNorm adds; None where there is none.
        stride: along height and width.
        padding: zeros at each side, along height and width.
        dilation: along height and width.
        groups: of channels; a channel sees those of its own group.
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
        """Return a layer with zero padding, and the BatchNorm behind it folded in.

        Args:
            layer: the convolution.
            norm: in eval mode; None for the layer alone.
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
        """Whether the output may have fewer places than the input because some are passed over."""
        return self.stride != (1, 1)

    @property
    def transposed_padding(self) -> Pair:
        """The zeros at each side of a gradient that is taken back by a convolution."""
        height, width = (
            dilation * (size - 1) - padding
            for size, padding, dilation in zip(
                self.kernel.shape[2:], self.padding, self.dilation, strict=True
            )
        )
        return height, width

    def transposed(self) -> Convolution:
        """Return the convolution that gives the gradient at the input, where the stride is 1."""
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
    """Return what a BatchNorm in eval mode multiplies each channel by, and what it adds; float64.

    Args:
        norm: with running statistics, and weights of its own.
    """
    mean, variance = norm.running_mean, norm.running_var
    scale = norm.weight.detach().double() / (variance.double() + norm.eps).sqrt()  # type: ignore[union-attr]
    return scale, norm.bias.detach().double() - mean.double() * scale  # type: ignore[union-attr]


def as_array(values: Tensor) -> Array:
    """Return a tensor as a float32 array."""
    return values.detach().float().cpu().numpy()


def pair(value: int | tuple[int, ...]) -> Pair:
    """Return a layer's setting along height and width."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])
