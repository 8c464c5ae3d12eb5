"""What one forward pass of noise tells of a classifier: target layer, logits and classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import get_ident

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.layers import Grid
from cxr_gradcam.cam.outputs import logits_of, require_hooks


@dataclass(frozen=True)
class Probe:
    """What one forward pass tells of a classifier.

    Attributes:
        target_layer: the last layer whose output still has places; where these are tokens, the
            normalisation in front of the last attention: behind it only the class token is read.
        logits_layer: the last linear layer, where the model's output is a softmax or a sigmoid of
            what that gives; else None.
        multi_label: whether each output stands for itself (sigmoid).
        num_classes: C.
    """

    target_layer: nn.Module | None
    logits_layer: nn.Module | None
    multi_label: bool
    num_classes: int


def probe(model: nn.Module, x: Tensor) -> Probe:
    """Run a classifier once and learn what has to be known to explain it.

    Args:
        model: gives logits or probabilities (N, C).
        x: an input (1, C, H, W).

    Returns:
        What was learnt.

    Raises:
        ValueError: the model gives something else than (N, C).
    """
    require_hooks(model)
    trace = _Trace((x.shape[-2], x.shape[-1]))
    with evaluating(model), torch.no_grad(), trace.watching(model):
        output = model(x)
    scores = logits_of(output)
    logits_layer, multi_label = trace.logits_layer(scores)
    return Probe(trace.target_layer(), logits_layer, multi_label, scores.shape[1])


class _Trace:
    """The layers of one forward pass that matter, each the last of its kind so far."""

    def __init__(self, image_size: tuple[int, int]) -> None:
        self._image_size = image_size
        self._thread = get_ident()  # the model may be at work in others
        self._norm: nn.Module | None = None
        self._norm_before_attention: nn.Module | None = None
        self._grids = set[tuple[int, int]]()
        self._places: tuple[nn.Module, bool] | None = None
        self._linear: tuple[nn.Module, Tensor] | None = None

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        with ExitStack() as stack:
            for module in model.modules():
                stack.callback(module.register_forward_pre_hook(self._enter).remove)
                stack.callback(module.register_forward_hook(self._leave).remove)
            yield

    def target_layer(self) -> nn.Module | None:
        if self._places is None:
            return None
        layer, as_tokens = self._places
        return (self._norm_before_attention or layer) if as_tokens else layer

    def logits_layer(self, output: Tensor) -> tuple[nn.Module | None, bool]:
        if self._linear is not None and self._linear[1].shape == output.shape:
            layer, logits = self._linear[0], self._linear[1].float()
            output = output.float()
            for function in (logits.softmax(dim=1), logits.log_softmax(dim=1)):
                if not torch.equal(output, logits) and torch.allclose(output, function):
                    return layer, False
            if torch.allclose(output, logits.sigmoid()):
                return layer, True
        return None, False

    def _enter(self, module: nn.Module, _inputs: object) -> None:
        if get_ident() == self._thread and "attention" in type(module).__name__.lower():
            self._norm_before_attention = self._norm

    def _leave(self, module: nn.Module, _inputs: object, output: object) -> None:
        if get_ident() != self._thread or not isinstance(output, Tensor):
            return
        if isinstance(module, nn.LayerNorm):
            self._norm = module
        if isinstance(module, nn.Linear) and output.ndim == 2:
            self._linear = module, output.clone()  # before anything behind it changes it in place
        if isinstance(module, nn.Conv2d):
            self._grids.add((output.shape[-2], output.shape[-1]))
        grid = Grid.of(output, self._image_size, self._grids)
        if grid is not None and grid.height * grid.width > 1:
            self._places = module, output.ndim == 3
