"""Compile the fastest graph of a network, and compare it with the network before use."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import torch
from torch import Tensor
from torchvision.models import ResNet

from cxr_gradcam.cam.hooked_pass import HookedForwardPass
from cxr_gradcam.models.graph.compiled import FULL, HALF, CompiledResNet
from cxr_gradcam.models.graph.forward_pass import GraphForwardPass
from cxr_gradcam.models.graph.openvino_runtime import openvino

WORTHWHILE = 0.8
"""bf16 is used if it takes at most this share of the time in full precision."""

ACTIVATIONS_MAY_DIFFER = {FULL: 1e-3, HALF: 0.1}
GRADIENTS_MAY_DIFFER = {FULL: 0.1, HALF: 0.5}
"""By precision, the greatest relative norm of a difference from the network. A gradient jumps if
rounding moves an activation across a ReLU's 0: by 0.03 for one in an image of the check."""


class GraphMismatchError(RuntimeError):
    """A compiled graph gives other results than the network."""


def compile_network(network: ResNet, first: str) -> CompiledResNet:
    """Compile the graph of a network, in the precision that is best on this processor.

    Args:
        network: a network for which `resnet.is_supported`, in float32 on the CPU.
        first: the first of its `resnet.stages` to map.

    Returns:
        The graph: in bf16 if the processor has it and bf16 takes at most `WORTHWHILE` of the time
        of full precision.

    Raises:
        GraphMismatchError: OpenVINO gives other results than the network.
    """
    full = CompiledResNet(network, first, FULL)
    if _has_bf16():
        half = CompiledResNet(network, first, HALF)
        if _seconds(half) < WORTHWHILE * _seconds(full) and not list(mismatches(network, half)):
            return half
    for mismatch in mismatches(network, full):
        raise GraphMismatchError(mismatch)
    return full


def _has_bf16() -> bool:
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _seconds(graph: CompiledResNet) -> float:
    x = torch.zeros(1, graph.channels, 224, 224)
    times = []
    for _ in range(4):
        start = perf_counter()
        graph.forward(x, ["features"])
        times.append(perf_counter() - start)
    return min(times)


def mismatches(network: ResNet, graph: CompiledResNet) -> Iterator[str]:
    """Compare a graph with the network by hooks and autograd, on two images of noise.

    Args:
        network: the network that the graph was made from.
        graph: the compiled graph.

    Yields:
        Which values differ by more than rounding explains, and by how much.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, graph.channels, 64, 96, generator=generator)
    paths = graph.stages[graph.stages.index(graph.first) :]
    expected = HookedForwardPass(network, {path: network.get_submodule(path) for path in paths}, x)
    given = GraphForwardPass(network, graph, {path: path for path in paths}, x)
    weights = torch.randn(expected.logits.shape, generator=generator)
    limit = ACTIVATIONS_MAY_DIFFER[graph.precision]
    yield from _apart("the logits", given.logits, expected.logits, limit)
    for path in paths:
        pair = given.activations(path), expected.activations(path)
        yield from _apart(f"the outputs of {path}", *pair, limit)
    limit = GRADIENTS_MAY_DIFFER[graph.precision]
    gradients = (each.gradients(weights, paths) for each in (given, expected))
    for path, one, other in zip(paths, *gradients, strict=True):
        yield from _apart(f"the gradients at {path}", one, other, limit)


def _apart(what: str, given: Tensor, expected: Tensor, limit: float) -> Iterator[str]:
    """Yield a sentence if two tensors differ by more than a fraction of the second one's norm."""
    difference = float((given - expected).norm() / expected.norm())
    if not difference <= limit:
        yield f"{what} differ by {difference:.1%}"
