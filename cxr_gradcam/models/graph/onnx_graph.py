"""The ONNX graph of a model: from pixels to logits, probabilities, score and heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from torchvision.models import ResNet

from cxr_gradcam.cam.maps import resize
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.graph.convolution import Array, as_array, scale_and_shift
from cxr_gradcam.models.graph.onnx_operations import OnnxOperations
from cxr_gradcam.models.graph.resnet import (
    Description,
    last_block,
    last_convolution,
    last_norm,
    layers_behind,
    stages,
)
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

INPUT = "pixels"


@dataclass(frozen=True)
class ExportedModel:
    """The parts of a model that are exported.

    Attributes:
        model: the loaded model.
        network: the model's ResNet.
        paths: the target layers' paths in the network, from the first to the last.
    """

    model: ResNet50FineTuned | CAM
    network: ResNet
    paths: tuple[str, ...]

    @property
    def halves(self) -> bool:
        """Whether the network's single logit becomes two."""
        return bool(len(self.model.class_names) != self.network.fc.out_features)


def onnx_graph(exported: ExportedModel, *, half: bool) -> onnx.GraphProto:
    """Return the graph of a model, with weights stored in 16 bits if `half` is set."""
    model, network, paths = exported.model, exported.network, exported.paths
    make = OnnxOperations(half=half)
    describe = Description(network, make)
    size, channels = model.preprocessing.size, network.conv1.in_channels
    x = _normalized(make, exported)
    outputs, masks = describe.forward(x, paths[0])
    logits = _logits(make, exported, outputs["features"])
    _probabilities(make, exported, logits)
    results: dict[str, list[Any]] = {
        name: ["N", len(model.class_names)] for name in ("logits", "probabilities")
    }
    if model.ood_detector is not None:
        _ood_score(make, model.ood_detector, outputs["features"])
        results["ood_score"] = ["N"]
    maps = _maps(make, exported, describe, outputs, masks)
    results |= {
        name: ["N", len(model.class_names), *make.sizes[outputs[path]]]
        for path, name in maps.items()
    }
    _heatmaps(make, [(name, make.sizes[outputs[path]]) for path, name in maps.items()], size)
    results["heatmaps"] = ["N", len(model.class_names), size, size]
    shape = ["N", 1 if channels == 1 else "1 or 3", size, size]
    return make.graph({INPUT: shape}, results)


def _normalized(make: OnnxOperations, exported: ExportedModel) -> str:
    """Normalise pixels in [0, 1], grey or with the network's channels, for the network."""
    how, channels = exported.model.preprocessing, exported.network.conv1.in_channels
    mean, std = (
        make.constant(_floats(*values).reshape(1, -1, 1, 1)) for values in (how.mean, how.std)
    )
    x = make.node("Div", make.node("Sub", INPUT, mean), std)
    shape = make.constant(np.array([-1, channels, how.size, how.size]))
    x = make.node("Reshape", x, shape)
    make.sizes[x] = how.size, how.size
    return x


def _logits(make: OnnxOperations, exported: ExportedModel, features: str) -> str:
    weight, bias = _head(exported)
    inputs = features, make.constant(weight), make.constant(bias)
    return make.node("Gemm", *inputs, name="logits", transB=1)


def _head(exported: ExportedModel) -> tuple[Array, Array]:
    """Return the head's weight (C, K) and bias (C,); a single logit becomes two classes."""
    head = exported.network.fc
    weight = as_array(head.weight)
    bias = np.zeros(len(weight), np.float32) if head.bias is None else as_array(head.bias)
    if exported.halves:
        return np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    return weight, bias


def _probabilities(make: OnnxOperations, exported: ExportedModel, logits: str) -> None:
    calibration = exported.model.calibration
    scaled = make.node("Div", logits, make.constant(_floats(calibration.temperature)))
    if calibration.offsets:
        offsets = make.constant(np.array(calibration.offsets, np.float32))
        scaled = make.node("Add", scaled, offsets)
    if exported.model.multi_label:
        make.node("Sigmoid", scaled, name="probabilities")
    else:
        make.node("Softmax", scaled, name="probabilities", axis=-1)


def _ood_score(make: OnnxOperations, detector: OODDetector, features: str) -> None:
    """Compute an image's distance from the training images over the limit, as `OODDetector`."""
    sum_axis = make.constant(np.array([1]))

    def total(values: str) -> str:
        return make.node("ReduceSum", values, sum_axis, keepdims=0)

    centred = make.node("Sub", features, make.constant(detector.mean[None]))
    along = make.node("MatMul", centred, make.constant(detector.directions.T))
    squares = make.node("Mul", along, along)
    everything = total(make.node("Mul", centred, centred))
    rest = make.node("Relu", make.node("Sub", everything, total(squares)))
    within = total(make.node("Div", squares, make.constant(detector.variances[None])))
    residual = make.constant(_floats(detector.residual_variance))
    distance = make.node("Add", within, make.node("Div", rest, residual))
    bound = make.constant(_floats(len(detector.mean) * detector.threshold))
    if detector.upside_down is None:
        make.node("Div", distance, bound, name="ood_score")
        return
    *normal, offset = detector.upside_down
    plane = make.constant(_floats(*normal)[None])
    beyond = make.node(
        "Add", total(make.node("Mul", features, plane)), make.constant(_floats(1 + offset))
    )
    make.node("Max", make.node("Div", distance, bound), beyond, name="ood_score")


def _maps(
    make: OnnxOperations,
    exported: ExportedModel,
    describe: Description[str],
    outputs: Mapping[str, str],
    masks: Mapping[str, str],
) -> dict[str, str]:
    """Make Grad-CAM of every class at each target layer.

    The gradients of all classes are backpropagated together, (C * N, K, h, w), grouped by class.

    Returns:
        {path: name of the maps (N, C, h, w)}.
    """
    network, paths = exported.network, exported.paths
    weight, _ = _head(exported)
    count = make.constant(np.array([len(weight), 1, 1, 1]))
    repeated = {name: make.node("Tile", mask, count) for name, mask in masks.items()}
    mask = repeated[last_block(network)]
    gradient = _first_gradient(make, weight, make.sizes[mask], outputs["features"])
    at: dict[str, str] = {"layer4": gradient}
    if last_convolution(network) in paths:
        scale = as_array(scale_and_shift(last_norm(network))[0])
        inner = make.node("Mul", make.masked(gradient, mask), make.constant(scale[:, None, None]))
        at[last_convolution(network)] = inner
    for layer, stage in layers_behind(paths[0]):
        size = make.sizes[outputs[stage]]
        gradient = at[stage] = describe.backward(layer, gradient, repeated, size)
    width = network.fc.in_features  # each layer has half the channels of the next
    channels = dict(zip(stages(network), (width // 4, width // 2, width, width), strict=True))
    return {
        path: _map(make, path, (len(weight), channels[path]), at[path], outputs[path])
        for path in paths
    }


def _first_gradient(
    make: OnnxOperations, weight: Array, size: tuple[int, int], features: str
) -> str:
    """Return the logits' gradients at layer4's output, (C * N, K, 1, 1): the same everywhere."""
    classes, channels = weight.shape
    each = make.constant((weight / np.float32(size[0] * size[1]))[:, None])
    number = make.node(
        "Slice",
        make.node("Shape", features),
        *(make.constant(np.array(bound)) for bound in ([0], [1])),
    )
    ends = (make.constant(np.array([end])) for end in (classes, channels))
    first, last = ends
    shape = make.node("Concat", first, number, last, axis=0)
    expanded = make.node("Expand", each, shape)
    return make.node("Reshape", expanded, make.constant(np.array([-1, channels, 1, 1])))


def _map(
    make: OnnxOperations, path: str, shape: tuple[int, int], gradient: str, activations: str
) -> str:
    """Sum the activations (N, K, h, w), weighted by each class's mean gradients; clip at 0."""
    height, width = make.sizes[activations]
    weights = make.node("ReduceMean", gradient, make.constant(np.array([2, 3])), keepdims=0)
    classes, channels = shape
    grouped = make.node("Reshape", weights, make.constant(np.array([classes, -1, channels])))
    each = make.node("Transpose", grouped, perm=[1, 0, 2])
    # A zero in a shape keeps the input's size there.
    flat = make.node("Reshape", activations, make.constant(np.array([0, 0, height * width])))
    summed = make.node("Relu", make.node("MatMul", each, flat))
    grid = make.constant(np.array([0, 0, height, width]))
    return make.node("Reshape", summed, grid, name=f"maps_{path}")


def _heatmaps(make: OnnxOperations, maps: Sequence[tuple[str, tuple[int, int]]], size: int) -> None:
    """Resize each layer's maps, scale them to a maximum of 1, and fuse them by their mean."""
    stretched = [_stretched(make, name, places, size) for name, places in maps]
    if len(stretched) == 1:
        _scaled(make, stretched[0], "heatmaps")
        return
    total = make.node("Sum", *(_scaled(make, each) for each in stretched))
    _scaled(make, total, "heatmaps")


def _floats(*values: float) -> Array:
    return np.array(values, np.float32)


def _stretched(make: OnnxOperations, maps: str, places: tuple[int, int], size: int) -> str:
    """Resize maps as `cam.maps.resize` does: by a product with its weights along each side."""
    rows, columns = (
        as_array(resize(torch.eye(count)[None, None], (size, count))[0, 0]) for count in places
    )
    tall = make.node("MatMul", make.constant(rows), maps)
    return make.node("MatMul", tall, make.constant(columns.T))


def _scaled(make: OnnxOperations, maps: str, name: str = "") -> str:
    peaks = make.node("ReduceMax", maps, make.constant(np.array([2, 3])), keepdims=1)
    empty = make.node("Equal", peaks, make.constant(np.zeros(1, np.float32)))
    divisor = make.node("Where", empty, make.constant(np.ones(1, np.float32)), peaks)
    return make.node("Div", maps, divisor, name=name)
