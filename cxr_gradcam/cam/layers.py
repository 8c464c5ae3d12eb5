"""The layers of any torch classifier, found by name or guessed, and their output as a grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import get_ident

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.hooks import evaluating

_MAX_PREFIX_TOKENS = 8


@dataclass(frozen=True)
class Grid:
    """How a layer's output stands for places of the image.

    Attributes:
        height: places from top to bottom.
        width: places from left to right.
        channels_last: (N, h, w, K), or (N, tokens, K), and not (N, K, h, w).
        prefix: tokens in front of the places that stand for none: class and register tokens.
    """

    height: int
    width: int
    channels_last: bool = False
    prefix: int = 0

    @classmethod
    def of(cls, output: Tensor, image_size: tuple[int, int]) -> Grid | None:
        """Recognise the grid by the image's aspect ratio.

        Args:
            output: of a layer: (N, K, h, w), (N, h, w, K) or (N, tokens, K).
            image_size: (H, W) of the network's input.

        Returns:
            The grid, or None where the output is none.
        """
        if output.ndim == 4:
            first, second, third = output.shape[1:]
            as_first, as_last = (
                abs(_aspect(h, w) - _aspect(*image_size))
                for h, w in ((second, third), (first, second))
            )
            return cls(first, second, True) if as_last < as_first else cls(second, third)
        return _token_grid(output.shape[1], image_size) if output.ndim == 3 else None

    def arrange(self, output: Tensor) -> Tensor:
        """Bring a layer's output, or its gradient, to (N, K, h, w)."""
        if not self.channels_last:
            return output
        if output.ndim == 3:
            output = output[:, self.prefix :].unflatten(1, (self.height, self.width))
        return output.permute(0, 3, 1, 2)


def _aspect(height: int, width: int) -> float:
    return math.log(height / width)


def _token_grid(tokens: int, image_size: tuple[int, int]) -> Grid | None:
    """Find the grid of the image's aspect ratio, behind as few other tokens as possible."""
    aspect = image_size[0] / image_size[1]
    for prefix in range(min(_MAX_PREFIX_TOKENS + 1, tokens - 1)):
        places = tokens - prefix
        height = round((places * aspect) ** 0.5)
        if height and places % height == 0 and height == round(places // height * aspect):
            return Grid(height, places // height, True, prefix)
    return None


def named_layers(
    model: nn.Module, layers: nn.Module | str | Sequence[nn.Module | str]
) -> dict[str, nn.Module]:
    """Find layers of a model by name, and names of layers.

    Args:
        model: the network.
        layers: one or several, each a module of the model or its dotted name.

    Returns:
        The layers by their dotted names.

    Raises:
        ValueError: no layer is asked for, or the model has no such one.
    """
    asked = [layers] if isinstance(layers, nn.Module | str) else layers
    names = {module: name for name, module in model.named_modules()}
    found = {_layer(model, layer): _name(names, layer) for layer in asked}  # each layer once
    if not found:
        raise ValueError("no target layer is named: name one or several")
    return {name: layer for layer, name in found.items()}


def _name(names: dict[nn.Module, str], layer: nn.Module | str) -> str:
    if isinstance(layer, str):
        return layer
    if layer not in names:
        raise ValueError(f"this {type(layer).__name__} is no layer of the model")
    return names[layer]


def _layer(model: nn.Module, layer: nn.Module | str) -> nn.Module:
    if isinstance(layer, nn.Module):
        return layer
    try:
        return model.get_submodule(layer)
    except AttributeError as error:
        children = ", ".join(name for name, _ in model.named_children())
        raise ValueError(
            f"the model has no layer {layer!r} ({error}); it begins with: {children}"
        ) from None


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
    trace = _Trace((x.shape[-2], x.shape[-1]))
    with evaluating(model), torch.no_grad(), trace.watching(model):
        output = model(x)
    if not isinstance(output, Tensor) or output.ndim != 2:
        what = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"a classifier gives one row of scores per image, (N, C), not {what}")
    logits_layer, multi_label = trace.logits_layer(output)
    return Probe(trace.target_layer(), logits_layer, multi_label, output.shape[1])


class _Trace:
    """The layers of one forward pass that matter, each the last of its kind so far."""

    def __init__(self, image_size: tuple[int, int]) -> None:
        self._image_size = image_size
        self._thread = get_ident()  # the model may be at work in others
        self._norm: nn.Module | None = None
        self._norm_before_attention: nn.Module | None = None
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
        grid = Grid.of(output, self._image_size)
        if grid is not None and grid.height * grid.width > 1:
            self._places = module, output.ndim == 3
