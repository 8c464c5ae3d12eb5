"""Export a model as one ONNX file: prediction and Grad-CAM, for programs without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import onnx
import torch
from onnx import helper
from torch import Tensor, nn
from torchvision.models import ResNet

from cxr_gradcam.cam.hooked_pass import HookedForwardPass
from cxr_gradcam.cam.outputs import OutputFormat
from cxr_gradcam.cam.targets import target_weights
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.checkpoint import CheckpointError
from cxr_gradcam.models.graph.convolution import Array
from cxr_gradcam.models.graph.onnx_graph import INPUT, ExportedModel, onnx_graph
from cxr_gradcam.models.graph.onnx_operations import IR_VERSION, OPSET
from cxr_gradcam.models.graph.openvino_runtime import openvino
from cxr_gradcam.models.graph.resnet import (
    is_supported,
    stages,
)
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.models.stages import layers_of

MAY_DIFFER = {False: 0.01, True: 0.05}
"""The greatest relative error of a map, by whether weights are stored in 16 bits."""

RESIZE = "the whole radiograph, stretched to size x size, bilinear with antialiasing"


def export(
    model: ResNet50FineTuned | CAM,
    output: str | os.PathLike[str],
    *,
    detail: str | None = None,
    half: bool = False,
    licence: str = "",
) -> float:
    """Write a model as an ONNX file that predicts and makes Grad-CAM of every class.

    Args:
        model: a `ResNet50FineTuned`, or a `CAM` of another torchvision ResNet.
        output: the .onnx file; it is written completely or not at all.
        detail: a key of `model.detail`; None for "fine" if the model has it.
        half: store weights in 16 bits; computations still use 32.
        licence: licence of the weights, for the file's metadata; "" if it is not known.

    Returns:
        The largest difference between the file's maps for noise, computed by OpenVINO, and the
        model's maps, as a fraction of their maximum.

    Raises:
        CheckpointError: the model is not a torchvision ResNet, its target layer is not part of the
            graph, the output's name does not end in .onnx, or the file gives other logits or maps
            than the model.
        ValueError: the model's maps have no such detail.
        OSError: the file cannot be written.
    """
    path = Path(output)
    if path.suffix != ".onnx":
        raise CheckpointError(f"{path} is no name for the file: let it end in .onnx")
    exported = _exported(model, detail)
    made = helper.make_model(
        onnx_graph(exported, half=half),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="cxr_gradcam",
        producer_version=version("cxr-gradcam"),
    )
    said = _metadata(model, layers_of(model.detail, detail), licence)
    helper.set_model_props(made, {key: text for key, text in said.items() if text})
    partial = path.with_name(f".{path.name}.new")
    try:
        onnx.save(made, partial)
        onnx.checker.check_model(partial, full_check=True)
        difference = _difference(exported, partial)
        if not difference <= MAY_DIFFER[half]:
            raise CheckpointError(
                f"the graph differs from the network by {difference:.0%}, so it was not written: "
                "export without --half, or run the network in Python"
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def _exported(model: ResNet50FineTuned | CAM, detail: str | None) -> ExportedModel:
    network: nn.Module = model.resnet50 if isinstance(model, ResNet50FineTuned) else model.model
    if not isinstance(network, ResNet) or not is_supported(network):
        raise CheckpointError(
            f"a {type(network).__name__} cannot be exported: only plain ResNets of torchvision's "
            "have a graph (resnet18 to resnet152, ResNeXt, wide ResNet), with a linear head"
        )
    known = stages(network)
    named = layers_of(model.detail, detail)
    paths = [name.removeprefix("resnet50.") for name in named]
    for name, path in zip(named, paths, strict=True):
        if path not in known:
            raise CheckpointError(
                f"a map at {name} cannot be exported: the graph has {', '.join(known)}"
            )
    return ExportedModel(model, network, tuple(sorted(paths, key=known.index)))


def _difference(exported: ExportedModel, path: Path) -> float:
    """Compare a file's logits and maps with the network's, as fractions of their maximum."""
    network, model = exported.network, exported.model
    size, channels = model.preprocessing.size, network.conv1.in_channels
    pixels = torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(0))
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    given = compiled({INPUT: pixels.numpy()})
    layers = {each: network.get_submodule(each) for each in exported.paths}
    x = model.preprocessing.normalize(pixels)
    expected = HookedForwardPass(
        network, layers, x, output=OutputFormat(two_classes=exported.halves)
    )
    apart = [_share(given["logits"], expected.logits)]
    classes = range(expected.logits.shape[1])
    weights = [target_weights(expected.logits, index) for index in classes]
    maps = [expected.raw_maps(each, "gradcam", exported.paths) for each in weights]
    for each, of_classes in zip(exported.paths, zip(*maps, strict=True), strict=True):
        apart.append(_share(given[f"maps_{each}"], torch.stack(of_classes, dim=1)))
    return max(apart)


def _share(given: Array, expected: Tensor) -> float:
    return float((torch.from_numpy(given) - expected).abs().max() / expected.abs().max())


def _metadata(
    model: ResNet50FineTuned | CAM, layers: Sequence[str], licence: str
) -> dict[str, str]:
    """Return the file's metadata: inputs, outputs and origin of the weights."""
    point, how, source = model.calibration.operating_point, model.preprocessing, model.provenance
    described = {
        "class_names": model.class_names,
        "multi_label": model.multi_label,
        "preprocessing": {"size": how.size, "resize": RESIZE, "values": "[0, 1], high = dense"},
        "temperature": model.calibration.temperature,
        "offsets": model.calibration.offsets or None,
        "is_calibrated": model.calibration.is_fitted,
        "operating_point": None if point is None else asdict(point),
        "method": "gradcam",
        "layers": layers,
        "weights": None if source is None else asdict(source),
        "assumptions": model.assumptions,
    }
    said = {key: json.dumps(value) for key, value in described.items() if value is not None}
    return said | {
        "trained_on": model.trained_on,
        "licence": licence,
        "use": "For research and teaching. This is no medical device.",
    }
