"""The graph of a network, compiled by OpenVINO in parts: forward once, backward layer by layer.

A further question about an image runs only the backward parts.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models import ResNet

from cxr_gradcam.models.graph.convolution import scale_and_shift
from cxr_gradcam.models.graph.openvino_operations import OpenVinoOperations
from cxr_gradcam.models.graph.openvino_runtime import openvino, opset
from cxr_gradcam.models.graph.resnet import (
    Description,
    last_block,
    last_norm,
    layers_behind,
    stages,
)

FULL, HALF = "f32", "bf16"
"""The precisions of the convolutions, by OpenVINO's names."""


class CompiledResNet:
    """A ResNet's forward and backward pass, for any number of images of any size.

    Args:
        network: a network for which `resnet.is_supported`, in float32 on the CPU; its weights are
            copied.
        first: the first of its `stages` to map.
        precision: precision of the convolutions, `FULL` or `HALF`.
    """

    def __init__(self, network: ResNet, first: str, precision: str) -> None:
        self.first, self.precision = first, precision
        self.stages, self.last_block = stages(network), last_block(network)
        self.channels = network.conv1.in_channels
        self._head = copy.deepcopy(network.fc).requires_grad_(False)
        self._last_scale = scale_and_shift(last_norm(network))[0].float()
        describe = Description(network, OpenVinoOperations())
        x = opset.parameter([-1, self.channels, -1, -1], np.float32, name="x")
        outputs, masks = describe.forward(x, first)
        self._masks = {name: _channels(mask) for name, mask in masks.items()}
        self._forward = _Part([x], outputs | masks, precision)
        self._backward = {
            layer: self._backward_part(describe, layer, _channels(outputs[layer]))
            for layer, _ in layers_behind(first)
        }

    def _backward_part(self, describe: Description[Any], layer: str, channels: int) -> _Part:
        gradient = opset.parameter([-1, channels, -1, -1], np.float32, name="gradient")
        size = opset.parameter([2], np.int64, name="size")
        masks = {
            name: opset.parameter([-1, width, -1, -1], np.uint8, name=name)
            for name, width in self._masks_of(layer).items()
        }
        back = describe.backward(layer, gradient, masks, size)
        return _Part([gradient, size, *masks.values()], {"at_input": back}, self.precision)

    def _masks_of(self, layer: str) -> dict[str, int]:
        return {name: n for name, n in self._masks.items() if name.startswith(f"{layer}.")}

    def forward(self, x: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """Run the network.

        Args:
            x: normalised images (N, C, H, W).
            wanted: names of `Description.forward`'s outputs and masks.

        Returns:
            The requested values by name: outputs float32, masks uint8.
        """
        return self._forward({"x": x.detach().contiguous().numpy()}, wanted)

    @property
    def num_classes(self) -> int:
        """C, the number of logits."""
        return int(self._head.out_features)

    def first_of(self, paths: Iterable[str]) -> str:
        """Return the first of several stages in the order of the network."""
        return min(paths, key=self.stages.index)

    def covers(self, paths: Iterable[str]) -> bool:
        """Return whether the graph gives maps at all these stages."""
        return self.stages.index(self.first) <= self.stages.index(self.first_of(paths))

    def outputs_for(self, paths: Collection[str]) -> set[str]:
        """Return the names of `forward`'s outputs and masks that maps at stages need."""
        first = self.first_of(paths)
        passed = tuple(f"{layer}." for layer, _ in layers_behind(first))
        masks = {name for name in self._masks if name.startswith(passed)} if passed else set()
        between = self.stages[self.stages.index(first) : -1]
        return {*paths, *between, *masks, self.last_block, "shortcut", "features"}

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits (N, C) of features (N, K)."""
        # Row by row: a matrix product and a vector product round differently, so an image would
        # have other logits in a batch than alone.
        with torch.no_grad():
            return torch.cat([self._head(row) for row in features.split(1)])

    def feature_gradients(self, weights: Tensor) -> Tensor:
        """Return the gradients (Q, K) of weighted sums of the logits, for weights (Q, C)."""
        head: Tensor = self._head.weight
        return weights @ head

    def at_last_convolution(self, gradient: Tensor, mask: Tensor) -> Tensor:
        """Backpropagate gradients from layer4's output to the last convolution's output.

        Args:
            gradient: (Q, K, h, w), or (Q, K, 1, 1) if it is the same at every place.
            mask: the last block's mask, (Q, K, h, w) or (1, K, h, w).

        Returns:
            The gradients (Q, K, h, w).
        """
        return gradient * self._last_scale[:, None, None] * mask

    def backward(
        self, layer: str, gradient: Tensor, masks: Mapping[str, Tensor], size: tuple[int, int]
    ) -> Tensor:
        """Backpropagate gradients from a layer's output to its input.

        Args:
            layer: "layer4" or "layer3".
            gradient: (Q, K, h, w), or (Q, K, 1, 1) if it is the same at every place.
            masks: all masks of `forward` whose names begin with the layer's, for one image or for
                Q.
            size: (h, w) of the layer's input.

        Returns:
            The gradients (Q, K, *size).
        """
        inputs = {name: masks[name].numpy() for name in self._masks_of(layer)}
        inputs |= {"gradient": gradient.contiguous().numpy(), "size": np.array(size)}
        return self._backward[layer](inputs, ["at_input"])["at_input"]


class _Part:
    """A compiled part of the graph; each running thread has its own inference request."""

    def __init__(self, inputs: list[Any], outputs: Mapping[str, Any], precision: str) -> None:
        results = []
        for name, output in outputs.items():
            result = opset.result(output)
            result.output(0).get_tensor().set_names({name})
            results.append(result)
        for each in inputs:
            each.output(0).get_tensor().set_names({each.get_friendly_name()})
        self._compiled = openvino.Core().compile_model(
            openvino.Model(results, inputs),
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": precision,
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "ENABLE_CPU_PINNING": False,  # torch's threads run on the same cores
            },
        )
        self._idle = SimpleQueue[Any]()
        self._blanks = {each.get_friendly_name(): _blank(each) for each in inputs}

    def __call__(
        self, inputs: Mapping[str, NDArray[Any]], wanted: Collection[str]
    ) -> dict[str, Tensor]:
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        request.infer(dict(inputs), share_inputs=True)
        outputs = {name: torch.from_numpy(request.get_tensor(name).data.copy()) for name in wanted}
        for name, blank in self._blanks.items():  # an idle request keeps no image
            request.set_tensor(name, blank)
        self._idle.put(request)  # a failed request is not used again
        return outputs


def _blank(parameter: Any) -> openvino.Tensor:  # noqa: ANN401
    shape = [1 if each.is_dynamic else each.get_length() for each in parameter.partial_shape]
    return openvino.Tensor(np.zeros(shape, parameter.get_element_type().to_dtype()))


def _channels(node: Any) -> int:  # noqa: ANN401
    return int(node.output(0).get_partial_shape()[1].get_length())
