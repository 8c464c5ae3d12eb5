"""A faster trunk for ResNet50: the same layers, run by OpenVINO, or by torch in lower precision.

The trunk ends at the last convolution; what follows it, and its gradients, are torch's own in full
precision. So a map is exact for the activations that the trunk gave, however it was run.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import ResNet
from torchvision.models.resnet import Bottleneck

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.hooks import capture_activations
from cxr_gradcam.models.stages import CONV3, SHORTCUT, STAGES, RunTrunk, Trunk


class FastTrunk:
    """The fast trunk of one network, built when it is first needed and again when weights change.

    It is not copied or saved with the model.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inventory: _Inventory | None = None
        self._built_from: list[tuple[Tensor, int, int]] = []
        self._run: RunTrunk | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, _state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]

    def of(self, network: ResNet) -> RunTrunk | None:
        """Return what runs the network's trunk as it is now.

        Args:
            network: in eval mode.

        Returns:
            None where nothing here is faster than the network itself, or where hooks of others
            wait for its layers to run.
        """
        with self._lock:
            if self._inventory is None or not self._inventory.is_of(network):
                self._inventory = _Inventory(network)
            if self._inventory.has_foreign_hooks():
                return None
            if not self._inventory.has_weights(self._built_from):
                self._run = _build(network)
                self._built_from = self._inventory.weights()
            return self._run

    def forget(self) -> None:
        """Build anew next time: what an optimiser does to weights cannot always be seen."""
        with self._lock:
            self._built_from = []


class _Inventory:
    """Where a network keeps its layers, weights and hooks, to look through them in no time."""

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
        """Whether this is the network, and none of its layers was replaced."""
        return network is self._network and self._children == self._known

    def has_foreign_hooks(self) -> bool:
        return any(
            hook is not capture_activations
            for hooks in self._hooks
            if hooks
            for hook in hooks.values()
        )

    def weights(self) -> list[tuple[Tensor, int, int]]:
        """Return each weight with where it lies and how often it was changed in place."""
        return [
            (tensor, tensor.data_ptr(), tensor._version)
            for tensors in self._tensors
            for tensor in tensors.values()
            if tensor is not None
        ]

    def has_weights(self, others: list[tuple[Tensor, int, int]]) -> bool:
        """Whether the weights are the very ones, where and as they were."""
        own = self.weights()
        return len(own) == len(others) and all(
            mine is other and place == its_place and version == its_version
            for (mine, place, version), (other, its_place, its_version) in zip(
                own, others, strict=True
            )
        )


def _build(network: ResNet) -> RunTrunk | None:
    parameter = next(network.parameters())
    if parameter.dtype != torch.float32:
        return None
    if parameter.device.type == "cpu" and find_spec("openvino") is not None:
        try:
            return OpenVinoTrunk(network)
        except Exception as error:
            warnings.warn(f"OpenVINO cannot run this network ({error}): torch does", stacklevel=2)
    dtype = fast_dtype(parameter.device)
    return None if dtype is None else _torch_trunk(network, dtype)


def fast_dtype(device: torch.device) -> torch.dtype | None:
    """Return the lower precision that a device has instructions for, or None."""
    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bf16 else torch.float16
    if device.type == "cpu":
        has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if has_bf16 else None
    return None


class OpenVinoTrunk:
    """The trunk compiled by OpenVINO, in bf16 where the processor has it, for any batch and size.

    OpenVINO's own entry point for conversion reports its use over the network; its front end, which
    is used here, does not.
    """

    def __init__(self, network: ResNet) -> None:
        import openvino
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        example = torch.zeros(1, 3, 64, 64)
        with warnings.catch_warnings(), torch.no_grad(), evaluating(network):
            warnings.simplefilter("ignore")  # how the decoder traces is not the caller's matter
            decoder = TorchScriptPythonDecoder(
                Trunk(network), example_input=example, trace_kwargs={"check_trace": False}
            )
        front_end = FrontEndManager().load_by_framework("pytorch")
        converted = front_end.convert(front_end.load(decoder))
        converted.reshape([-1, 3, -1, -1])
        precision = "f32" if fast_dtype(torch.device("cpu")) is None else "bf16"
        self._compiled = openvino.Core().compile_model(
            converted,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": precision,
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "ENABLE_CPU_PINNING": False,  # torch's threads run on the same cores
            },
        )
        self._idle = SimpleQueue[Any]()
        self._blank = openvino.Tensor(example.numpy())

    def __call__(self, x: Tensor, stages: Sequence[str]) -> dict[str, Tensor]:
        """Run the trunk; each thread has a request of its own while it does."""
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        request.infer({0: x.detach().contiguous().numpy()}, share_inputs=True)
        outputs = {
            name: torch.from_numpy(request.get_output_tensor(index).data.copy())
            for index, name in enumerate((*STAGES, SHORTCUT))
            if name in stages or name in (CONV3, SHORTCUT)
        }
        request.set_input_tensor(self._blank)  # nobody's image waits in an idle request
        self._idle.put(request)  # one that failed is not used again
        return outputs


def _torch_trunk(network: ResNet, dtype: torch.dtype) -> RunTrunk:
    """Fold the normalisations into the convolutions and compute with the channels last."""
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
    """Name each convolution of the trunk with the BatchNorm behind it."""
    yield network, "conv1", "bn1"
    for block in [module for module in network.modules() if isinstance(module, Bottleneck)]:
        yield block, "conv1", "bn1"
        yield block, "conv2", "bn2"
        if block is not network.layer4[-1]:  # behind the trunk's end there is nothing to fold
            yield block, "conv3", "bn3"
        if block.downsample is not None:
            yield block.downsample, "0", "1"
