"""The graph's operations in ONNX, for images of one size and any number of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cxr_gradcam.models.graph.convolution import Array, Convolution, Pair

Shapes = dict[str, list[Any]]

OPSET, IR_VERSION = 18, 9
FORWARD, TURNED, STRIDED = "forward", "turned", "strided"
"""The ways in which a convolution's weights are used."""


class OnnxOperations:
    """`Operations` in ONNX; a value is a name, a size (h, w) two numbers, a mask float32.

    Args:
        half: store weights in 16 bits; computations still use 32.
    """

    def __init__(self, *, half: bool = False) -> None:
        self.sizes: dict[str, Pair] = {}
        self._half = half
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._weights: dict[tuple[int, str], str] = {}
        self._layers: list[Convolution] = []  # kept alive, so that no `id` is used again

    def constant(self, values: NDArray[Any]) -> str:
        """Store an array."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def stored(self, weights: Array) -> str:
        """Store an array of weights, in 16 bits if requested."""
        if not self._half:
            return self.constant(weights)
        return self.node("Cast", self.constant(weights.astype(np.float16)), to=TensorProto.FLOAT)

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:  # noqa: ANN401
        """Add an operation.

        Args:
            kind: the name of an ONNX operator.
            inputs: the names of its input values.
            name: the name of its output; "" for any.
            attributes: the attributes of the operator.

        Returns:
            The name of its output.
        """
        name = name or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        if inputs and inputs[0] in self.sizes:
            self.sizes[name] = self.sizes[inputs[0]]
        return name

    def graph(self, inputs: Shapes, outputs: Shapes) -> onnx.GraphProto:
        """Return the graph of all operations so far; inputs and outputs are {name: shape}."""
        described = [
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in shapes.items()
            ]
            for shapes in (inputs, outputs)
        ]
        return helper.make_graph(
            self._nodes, "cxr_gradcam", described[0], described[1], self._constants
        )

    def convolution(self, x: str, layer: Convolution) -> str:
        """Convolve, and add the bias if there is one."""
        inputs = [x, self._weight(layer, FORWARD)]
        if layer.bias is not None:
            inputs.append(self.constant(layer.bias))
        y = self.node(
            "Conv",
            *inputs,
            strides=layer.stride,
            pads=[*layer.padding, *layer.padding],
            dilations=layer.dilation,
            group=layer.groups,
        )
        kernel = layer.kernel.shape[2:]
        self.sizes[y] = _places(self.sizes[x], kernel, layer.stride, layer.padding, layer.dilation)
        return y

    def back(self, gradient: str, layer: Convolution, size: Pair) -> str:
        """Return the gradient at a convolution's input.

        A convolution and its transpose never share a constant: OpenVINO 2026.4.1 then gives wrong
        gradients without an error.
        """
        if layer.is_strided:
            return self._strided_back(gradient, layer, size)
        weight = self._weight(layer, TURNED)
        padding = layer.transposed_padding
        return self.node(
            "Conv",
            gradient,
            weight,
            pads=[*padding, *padding],
            dilations=layer.dilation,
            group=layer.groups,
        )

    def _strided_back(self, gradient: str, layer: Convolution, size: Pair) -> str:
        whole = _places(size, layer.kernel.shape[2:], (1, 1), layer.padding, layer.dilation)
        beyond = [
            places - 1 - (reached - 1) * stride
            for places, reached, stride in zip(
                whole, self.sizes[gradient], layer.stride, strict=True
            )
        ]
        name = self.node(
            "ConvTranspose",
            gradient,
            self._weight(layer, STRIDED),
            strides=layer.stride,
            pads=[*layer.padding, *layer.padding],
            dilations=layer.dilation,
            output_padding=beyond,
            group=layer.groups,
        )
        self.sizes[name] = size
        return name

    def max_pool(self, x: str, kernel: Pair, stride: Pair, padding: Pair) -> str:
        """Return the maximum of each window."""
        pads = [*padding, *padding]
        y = self.node("MaxPool", x, kernel_shape=kernel, strides=stride, pads=pads)
        self.sizes[y] = _places(self.sizes[x], kernel, stride, padding, (1, 1))
        return y

    def relu(self, x: str) -> str:
        """Return the values above 0, and 0 elsewhere."""
        return self.node("Relu", x)

    def add(self, first: str, second: str) -> str:
        """Add place by place."""
        return self.node("Add", first, second)

    def affine(self, x: str, scale: Array, shift: Array) -> str:
        """Multiply and shift each channel."""
        scaled = self.node("Mul", x, self.constant(scale.reshape(1, -1, 1, 1)))
        return self.node("Add", scaled, self.constant(shift.reshape(1, -1, 1, 1)))

    def mask(self, x: str) -> str:
        """Return 1 where values are above 0, and 0 elsewhere."""
        above = self.node("Greater", x, self.constant(np.zeros(1, np.float32)))
        return self.node("Cast", above, to=TensorProto.FLOAT)

    def masked(self, gradient: str, mask: str) -> str:
        """Return the gradient where the mask is set."""
        return self.node("Mul", mask, gradient)

    def mean(self, x: str) -> str:
        """Return the mean over all places, (N, K)."""
        return self.node("ReduceMean", x, self.constant(np.array([2, 3])), keepdims=0)

    def _weight(self, layer: Convolution, way: str) -> str:
        """Return a convolution's weights for a direction, derived from the forward weights."""
        if (id(layer), way) not in self._weights:
            self._layers.append(layer)
            weight = (
                self._turned(layer, self._weight(layer, FORWARD))
                if way == TURNED
                else self._scaled(layer)
            )
            self._weights[id(layer), way] = weight
        return self._weights[id(layer), way]

    def _scaled(self, layer: Convolution) -> str:
        """Store a kernel unscaled, which is exact if it had 16 bits, and scale it in the graph."""
        kernel = self.stored(layer.kernel)
        if layer.scale is None:
            return kernel
        return self.node("Mul", kernel, self.constant(layer.scale.reshape(-1, 1, 1, 1)))

    def _turned(self, layer: Convolution, weight: str) -> str:
        """Swap outputs and inputs (O, I / groups, kh, kw) of each group, and flip the kernel."""
        outputs, inputs, *kernel = layer.kernel.shape
        grouped = [layer.groups, outputs // layer.groups, inputs, *kernel]
        swapped = [layer.groups * inputs, outputs // layer.groups, *kernel]
        weight = self.node("Reshape", weight, self.constant(np.array(grouped)))
        weight = self.node("Transpose", weight, perm=[0, 2, 1, 3, 4])
        weight = self.node("Reshape", weight, self.constant(np.array(swapped)))
        backwards = ([-1, -1], [-99, -99], [2, 3], [-1, -1])
        return self.node("Slice", weight, *(self.constant(np.array(each)) for each in backwards))


def _places(
    size: Pair, kernel: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair
) -> Pair:
    """Return (h, w) of the output of windows on an input of (h, w) `size`."""
    height, width = (
        (places + 2 * pad - apart * (window - 1) - 1) // step + 1
        for places, window, step, pad, apart in zip(
            size, kernel, stride, padding, dilation, strict=True
        )
    )
    return height, width
