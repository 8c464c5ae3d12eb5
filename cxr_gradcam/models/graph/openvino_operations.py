"""The graph's operations in OpenVINO."""

from __future__ import annotations

from typing import Any

import numpy as np

from cxr_gradcam.models.graph.convolution import Array, Convolution, Pair
from cxr_gradcam.models.graph.openvino_runtime import opset

Node = Any
"""A node or an output of one; OpenVINO has no types for them."""


class OpenVinoOperations:
    """`Operations` in OpenVINO; a mask is u8, a size i64 (2,)."""

    def convolution(self, x: Node, layer: Convolution) -> Node:
        """Convolve, and add the bias if there is one."""
        weight = layer.weight
        settings = layer.stride, layer.padding, layer.padding, layer.dilation
        if layer.groups == 1:
            y = opset.convolution(x, opset.constant(weight), *settings)
        else:
            y = opset.group_convolution(x, opset.constant(_in_groups(layer)), *settings)
        return y if layer.bias is None else opset.add(y, _of_channels(layer.bias))

    def back(self, gradient: Node, layer: Convolution, size: Node) -> Node:
        """Return the gradient at a convolution's input.

        For a strided convolution, it is computed for the largest input that has this output, then
        cut: if a size is requested, OpenVINO 2026.4.1 gives wrong gradients of grouped
        convolutions.
        """
        if not layer.is_strided:
            return self.convolution(gradient, layer.transposed())
        beyond = [stride - 1 for stride in layer.stride]
        settings = {
            "pads_begin": layer.padding,
            "pads_end": layer.padding,
            "dilations": layer.dilation,
            "output_padding": beyond,
        }
        if layer.groups == 1:
            weight = opset.constant(layer.weight)
            whole = opset.convolution_backprop_data(gradient, weight, layer.stride, **settings)
        else:
            weight = opset.constant(_in_groups(layer))
            back = opset.group_convolution_backprop_data
            whole = back(gradient, weight, layer.stride, **settings)
        start, step, axes = (opset.constant(np.array(pair)) for pair in ((0, 0), (1, 1), (2, 3)))
        return opset.slice(whole, start, size, step, axes)

    def max_pool(self, x: Node, kernel: Pair, stride: Pair, padding: Pair) -> Node:
        """Return the maximum of each window."""
        return opset.max_pool(x, stride, (1, 1), padding, padding, kernel).output(0)

    def relu(self, x: Node) -> Node:
        """Return the values above 0, and 0 elsewhere."""
        return opset.relu(x)

    def add(self, first: Node, second: Node) -> Node:
        """Add place by place."""
        return opset.add(first, second)

    def affine(self, x: Node, scale: Array, shift: Array) -> Node:
        """Multiply and shift each channel."""
        return opset.add(opset.multiply(x, _of_channels(scale)), _of_channels(shift))

    def mask(self, x: Node) -> Node:
        """Return 1 where values are above 0, and 0 elsewhere."""
        return opset.convert(opset.greater(x, opset.constant(np.float32(0))), "u8")

    def masked(self, gradient: Node, mask: Node) -> Node:
        """Return the gradient where the mask is set."""
        return opset.multiply(gradient, opset.convert(mask, "f32"))

    def mean(self, x: Node) -> Node:
        """Return the mean over all places."""
        return opset.reduce_mean(x, opset.constant(np.array([2, 3])), keep_dims=False)


def _in_groups(layer: Convolution) -> Array:
    outputs, inputs, *kernel = layer.weight.shape
    return layer.weight.reshape(layer.groups, outputs // layer.groups, inputs, *kernel)


def _of_channels(values: Array) -> Node:
    return opset.constant(values.reshape(1, -1, 1, 1))
