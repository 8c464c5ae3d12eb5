"""Capture layers' activations in a forward pass, and cut the autograd graph before them.

A map needs the target layers' activations and the gradient of a score with respect to them, but
nothing before the first of these layers. So the graph is cut there: the hook replaces the layer's
output by a new leaf, no graph is recorded for the trunk, and only the layers after it are
differentiated.

Captured tensors belong to the call that requested them and to its thread (a context variable);
nothing is kept on a module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn


class Capture:
    """The tensors that one forward pass records at the watched layers.

    Args:
        layers: the layers by name.
        logits_layer: a layer whose output is the logits, if the network's output is not.
        zeroed: per layer, the channel (N,) that is set to zero in each sample, and whether the
            channels come last in its output.
        calls: index, from 0, of the call to keep, by name of the layer, if a layer is called more
            than once; the last call for layers that are not named.

    Attributes:
        outputs: each layer's output by name, part of the graph.
        logits: the output of `logits_layer`.
        features: the input of `logits_layer`.
        places: (h, w) of every convolution's output: grids that later tokens may represent.
        is_cut: whether the graph begins at a layer, because the layers before it are not trained.
    """

    def __init__(
        self,
        layers: Mapping[str, nn.Module],
        logits_layer: nn.Module | None = None,
        zeroed: Mapping[nn.Module, tuple[Tensor, bool]] | None = None,
        calls: Mapping[str, int] | None = None,
    ) -> None:
        self._calls, self._called = calls or {}, Counter[str]()
        self._names = {layer: name for name, layer in layers.items()}
        self._logits_layer = logits_layer
        self._zeroed = zeroed or {}
        self._passed_on: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}
        self.logits: Tensor | None = None
        self.features: Tensor | None = None
        self.is_cut = False
        self.places = set[tuple[int, int]]()

    def take(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Keep a watched layer's output and return the tensor that the network continues with.

        If the caller trains the trunk, the graph is not cut, since the trunk would get no gradient.
        The network gets a copy, so that a later in-place operation does not change the captured
        output.
        """
        if isinstance(layer, nn.Conv2d):
            self.places.add((output.shape[-2], output.shape[-1]))
        if layer is self._logits_layer:
            self.features = inputs[0].detach()
            self.logits = output.clone()  # an in-place sigmoid may follow
        if layer in self._zeroed:
            return zero_channel(output, *self._zeroed[layer])
        name = self._names.get(layer)
        if name is None or output is self._passed_on.get(name):  # a second hook on one layer
            return output
        self._called[name] += 1
        if self._calls.get(name, self._called[name] - 1) != self._called[name] - 1:
            return output
        if not isinstance(output, Tensor):
            raise ValueError(  # noqa: TRY004 - the same error as for other unsuitable layers
                f"layer {name!r} gives a {type(output).__name__}, not one tensor: choose a layer "
                "inside or behind it"
            )
        if not output.requires_grad:
            # A tensor of inference mode that passed through unchanged can only be copied.
            output = output.clone() if output.is_inference() else output.detach()
            output.requires_grad_()
            self.is_cut = True
            torch.set_grad_enabled(True)  # for the later layers; `capturing` restores it
        self.outputs[name] = output
        self._passed_on[name] = output.clone()
        return self._passed_on[name]


_capture: ContextVar[Capture | None] = ContextVar("capture", default=None)


@contextmanager
def capturing(
    layers: Mapping[str, nn.Module],
    logits_layer: nn.Module | None = None,
    zeroed: Mapping[nn.Module, tuple[Tensor, bool]] | None = None,
    calls: Mapping[str, int] | None = None,
) -> Iterator[Capture]:
    """Let `capture_activations` hooks capture forward passes inside, in this thread only.

    Args:
        layers: the layers by name.
        logits_layer: a layer whose output is the logits; None for the network's own output.
        zeroed: per layer, the channel (N,) that is set to zero in each sample, and whether the
            channels come last in its output.
        calls: by name, which call of a layer is kept, as in `Capture`.
    """
    capture = Capture(layers, logits_layer, zeroed, calls)
    token = _capture.set(capture)
    grad_enabled = torch.is_grad_enabled()
    try:
        # Tensors of inference mode cannot be differentiated, so it is switched off; no_grad stays.
        with torch.inference_mode(mode=False), torch.set_grad_enabled(grad_enabled):
            yield capture
    finally:
        _capture.reset(token)


def capture_activations(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Forward hook of a layer: let the running call capture its output, if requested."""
    capture = _capture.get()
    return output if capture is None else capture.take(layer, inputs, output)


def zero_channel(output: Tensor, channels: Tensor, channels_last: bool) -> Tensor:
    """Set one channel of each sample to zero.

    Args:
        output: (N, K, …), or (N, …, K) with `channels_last`.
        channels: (N,), the index of one channel for each sample.
        channels_last: whether the channels are the last dimension.

    Returns:
        A copy of the output in which these channels are zero.
    """
    output = output.clone()
    samples = torch.arange(len(output), device=output.device)
    if channels_last:
        output[samples, ..., channels] = 0
    else:
        output[samples, channels] = 0
    return output


@contextmanager
def hooked(layers: Iterable[nn.Module]) -> Iterator[None]:
    """Hold `capture_activations` on layers; no hook is left afterwards."""
    with ExitStack() as stack:
        for layer in layers:
            stack.callback(layer.register_forward_hook(capture_activations).remove)
        yield


def score_gradients(
    logits: Tensor, weights: Tensor, activations: Sequence[Tensor], *, retain_graph: bool
) -> list[Tensor]:
    """Differentiate each sample's weighted sum of logits with respect to captured activations.

    Args:
        logits: (N, C), with a graph that reaches back to the activations.
        weights: (N, C), each logit's weight in the explained score.
        activations: the captured outputs of layers, each (N, …).
        retain_graph: keep the graph, for another question or for the caller's own loss.

    Returns:
        A gradient for each of the activations, of the same shape. No `.grad` is changed.

    Raises:
        ValueError: the logits do not depend on the activations.
    """
    try:
        return list(torch.autograd.grad(logits, activations, weights, retain_graph=retain_graph))
    except RuntimeError as error:
        reasons = "not have been used in the graph", "does not require", "heckpoint"
        if any(reason in str(error) for reason in reasons):
            raise ValueError(
                "a target layer does not lead to the class scores: choose another"
            ) from error
        raise
