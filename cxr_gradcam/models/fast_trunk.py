"""The fastest pass for a ResNet: its graph run by OpenVINO, or its trunk by torch in low precision.

Torch's trunk ends at the last convolution; the layers after it, and all gradients, are in full
precision. So a map is exact for the activations that the trunk returned.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import ResNet
from torchvision.models.resnet import Bottleneck

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.hooks import capture_activations
from cxr_gradcam.models.graph.resnet import is_supported, stages
from cxr_gradcam.models.split_pass import SplitForwardPass
from cxr_gradcam.models.stages import CONV3, SHORTCUT, STAGES, RunTrunk, Trunk

if TYPE_CHECKING:  # needs OpenVINO, which may be missing
    from cxr_gradcam.models.graph.compiled import CompiledResNet


class FastTrunk:
    """The fast pass of one network, built when first needed and again when weights change.

    It is not copied or saved with the model.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inventory: _Inventory | None = None
        self._built_from: list[tuple[Tensor, int, int]] = []
        self._graph: CompiledResNet | None = None
        self._graph_fails = False
        self._run_trunk: RunTrunk | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, _state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]

    def record(
        self, network: ResNet, layers: Mapping[str, str], x: Tensor, *, two_classes: bool = False
    ) -> ForwardPass | None:
        """Run a network on images in the fastest available way.

        Args:
            network: a torchvision ResNet.
            layers: {name: path in the network} of the layers to map.
            x: normalised images (N, C, H, W), on the network's device.
            two_classes: turn the network's single logit into two, for absence and presence.

        Returns:
            The recorded pass. None if no way is faster than the network itself, if fast passes are
            switched off (CXR_GRADCAM_FAST=0), if the network is training or has hooks of other
            code, if there are no images, for types other than float32, and in autocast.
        """
        if not _is_plain_call(network, x):
            return None
        with self._lock:
            if not self._may_be_replaced(network):
                return None
            graph = self._graph_for(network, layers)
            run_trunk = self._trunk_for(network, layers) if graph is None else None
        if graph is not None:
            from cxr_gradcam.models.graph.forward_pass import GraphForwardPass

            return GraphForwardPass(network, graph, layers, x, two_classes=two_classes)
        if run_trunk is not None:
            return SplitForwardPass(network, run_trunk, tuple(layers), x)
        return None

    def _may_be_replaced(self, network: ResNet) -> bool:
        """Return whether a fast pass can replace the network; discard those of other networks."""
        if self._inventory is None or not self._inventory.is_of(network):
            self._inventory = _Inventory(network)
        if self._inventory.has_foreign_hooks():
            return False
        if not self._inventory.has_weights(self._built_from):
            self._graph = self._run_trunk = None
            self._graph_fails = False
            self._built_from = self._inventory.weights()
        return bool(network.conv1.weight.dtype == torch.float32)

    def _graph_for(self, network: ResNet, layers: Mapping[str, str]) -> CompiledResNet | None:
        """Return the network's graph, compiled for these layers if necessary."""
        on_cpu = network.conv1.weight.device.type == "cpu"
        if self._graph_fails or not on_cpu or find_spec("openvino") is None:
            return None
        if not is_supported(network) or not {*layers.values()} <= {*stages(network)}:
            return None
        if self._graph is None or not self._graph.covers(layers.values()):
            from cxr_gradcam.models.graph.compiling import compile_network

            first = min(layers.values(), key=stages(network).index)
            try:
                self._graph = compile_network(network, first)
            except Exception as error:
                self._graph, self._graph_fails = None, True
                message = f"OpenVINO cannot run this network ({error}): torch does"
                warnings.warn(message, stacklevel=4)
        return self._graph

    def _trunk_for(self, network: ResNet, layers: Mapping[str, str]) -> RunTrunk | None:
        """Return torch's trunk in lower precision, if the device supports it."""
        dtype = fast_dtype(network.conv1.weight.device)
        if dtype is None or not {*layers} <= {*STAGES}:
            return None
        if self._run_trunk is None:
            self._run_trunk = _torch_trunk(network, dtype)
        return self._run_trunk

    def forget(self) -> None:
        """Build again next time: an optimiser's changes of weights cannot always be detected."""
        with self._lock:
            self._built_from = []


class _Inventory:
    """References to a network's layers, weights and hooks, to check them quickly."""

    def __init__(self, network: ResNet) -> None:
        modules = list(network.modules())
        self._network = network
        self._children = [module._modules for module in modules]
        self._known = [dict(children) for children in self._children]
        self._tensors = [
            tensors for each in modules for tensors in (each._parameters, each._buffers)
        ]
        self._hooks = [
            hooks for each in modules for hooks in (each._forward_hooks, each._forward_pre_hooks)
        ]

    def is_of(self, network: ResNet) -> bool:
        """Whether the network is the same, and none of its layers was replaced."""
        return network is self._network and self._children == self._known

    def has_foreign_hooks(self) -> bool:
        return any(
            hook is not capture_activations
            for hooks in self._hooks
            if hooks
            for hook in hooks.values()
        )

    def weights(self) -> list[tuple[Tensor, int, int]]:
        """Return each weight with its address and its count of in-place changes."""
        return [
            (tensor, tensor.data_ptr(), tensor._version)
            for tensors in self._tensors
            for tensor in tensors.values()
            if tensor is not None
        ]

    def has_weights(self, others: list[tuple[Tensor, int, int]]) -> bool:
        """Whether the weights are the same tensors, at the same addresses and unchanged."""
        own = self.weights()
        return len(own) == len(others) and all(
            mine is other and place == its_place and version == its_version
            for (mine, place, version), (other, its_place, its_version) in zip(
                own, others, strict=True
            )
        )


def _is_plain_call(network: ResNet, x: Tensor) -> bool:
    """Return whether no property of a call requires the network itself."""
    if network.training or os.environ.get("CXR_GRADCAM_FAST") == "0" or len(x) == 0:
        return False
    return x.dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)


def fast_dtype(device: torch.device) -> torch.dtype | None:
    """Return the lower precision that a device has instructions for, or None."""
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bf16 else torch.float16
    if device.type == "cpu":
        has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if has_bf16 else None
    return None


def _torch_trunk(network: ResNet, dtype: torch.dtype) -> RunTrunk:
    """Fold the BatchNorms into the convolutions and use the channels-last layout."""
    trunk = Trunk(_folded(network)).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def run(x: Tensor, stages: Sequence[str]) -> dict[str, Tensor]:
        with torch.autocast(x.device.type, dtype):
            outputs = trunk(x.detach().contiguous(memory_format=torch.channels_last))
        named = dict(zip((*STAGES, SHORTCUT), outputs, strict=True))
        return {name: named[name].float() for name in {*stages, CONV3, SHORTCUT}}

    return run


def _folded(network: ResNet) -> ResNet:
    """Copy a network with each BatchNorm of its trunk folded into the convolution before it."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        module._forward_hooks.clear()
    for parent, conv, norm in _pairs(folded):
        fused = fuse_conv_bn_eval(getattr(parent, conv), getattr(parent, norm))
        setattr(parent, conv, fused)
        setattr(parent, norm, nn.Identity())
    return folded.requires_grad_(False)


def _pairs(network: ResNet) -> Iterator[tuple[nn.Module, str, str]]:
    """Yield the names of each convolution of the trunk and the BatchNorm after it."""
    yield network, "conv1", "bn1"
    for block in [module for module in network.modules() if isinstance(module, Bottleneck)]:
        yield block, "conv1", "bn1"
        yield block, "conv2", "bn2"
        if block is not network.layer4[-1]:  # after the trunk's end nothing is folded
            yield block, "conv3", "bn3"
        if block.downsample is not None:
            yield block.downsample, "0", "1"
