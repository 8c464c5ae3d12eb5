"""The layers of any torch classifier by name, and their output as a grid of places."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from torch import Tensor, nn

_MAX_PREFIX_TOKENS = 8
_MERGINGS = 3


@dataclass(frozen=True)
class Grid:
    """How a layer's output represents places of the image.

    Attributes:
        height: places from top to bottom.
        width: places from left to right.
        channels_last: whether the shape is (N, h, w, K) or (N, tokens, K), not (N, K, h, w).
        prefix: number of tokens before the places that represent no place: class and register
            tokens.
    """

    height: int
    width: int
    channels_last: bool = False
    prefix: int = 0

    @classmethod
    def of(
        cls,
        output: Tensor,
        image_size: tuple[int, int],
        places: Collection[tuple[int, int]] | None = None,
    ) -> Grid | None:
        """Recognise the grid by the image's aspect ratio, and tokens by an earlier layer's places.

        Args:
            output: a layer's output: (N, K, h, w), (N, h, w, K) or (N, tokens, K).
            image_size: (H, W) of the network's input.
            places: (h, w) of the grids of earlier layers. Tokens are places only if their number
                equals that of one of these grids, and no grid may be larger than the largest. None
                if no grid is known: any grid of the image's aspect ratio is accepted.

        Returns:
            The grid; None if the output is no grid of places.
        """
        if output.ndim == 4:
            found = cls._of_four_dimensions(output, image_size)
            # An attention matrix, tokens by tokens, is larger than any earlier grid.
            most = max(map(math.prod, places or ()), default=math.inf)
            return found if found.height * found.width <= most else None
        if output.ndim != 3:
            return None
        grid = _token_grid(output.shape[1], image_size)
        if places is None or grid is None:
            return grid
        return grid if (grid.height, grid.width) in places and output.shape[2] > 1 else None

    @classmethod
    def _of_four_dimensions(cls, output: Tensor, image_size: tuple[int, int]) -> Grid:
        first, second, third = output.shape[1:]
        as_first, as_last = (
            abs(_aspect(h, w) - _aspect(*image_size)) for h, w in ((second, third), (first, second))
        )
        return cls(first, second, True) if as_last < as_first else cls(second, third)

    def arrange(self, output: Tensor) -> Tensor:
        """Rearrange a layer's output, or its gradient, to (N, K, h, w)."""
        if not self.channels_last:
            return output
        if output.ndim == 3:
            output = output[:, self.prefix :].unflatten(1, (self.height, self.width))
        return output.permute(0, 3, 1, 2)


def with_merged_places(places: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return grids of places, and the smaller grids after merging 2 × 2 places.

    Args:
        places: (h, w) of convolutions' outputs. Vision transformers that merge patches, such as
            Swin, halve such a grid up to three times without any convolution.
    """
    merged = {*places}
    for _ in range(_MERGINGS):
        merged |= {(math.ceil(h / 2), math.ceil(w / 2)) for h, w in merged}
    return merged


def _aspect(height: int, width: int) -> float:
    return math.log(height / width)


def _token_grid(tokens: int, image_size: tuple[int, int]) -> Grid | None:
    """Find the grid of the image's aspect ratio, after as few other tokens as possible."""
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
    """Return layers of a model and their names, given either.

    Args:
        model: the network.
        layers: one or several, each a module of the model or its dotted name.

    Returns:
        The layers by their dotted names.

    Raises:
        ValueError: no layer is given, or the model has no such layer.
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
        raise ValueError(
            f"this {type(layer).__name__} is no layer of the model: give one of its modules, or "
            "the name of one"
        )
    return names[layer]


def _layer(model: nn.Module, layer: nn.Module | str) -> nn.Module:
    if isinstance(layer, nn.Module):
        return layer
    try:
        return model.get_submodule(layer)
    except AttributeError:
        raise ValueError(f"the model has no layer {layer!r}{_alike(model, layer)}") from None


def _alike(model: nn.Module, layer: str) -> str:
    """Name the layers with similar names; if there are none, the model's top layers."""
    names = [name for name, _ in model.named_modules()]
    ends = [name for name in names if name.endswith(f".{layer}")]
    meant = (ends or get_close_matches(layer, names, cutoff=0.8))[:3]
    if meant:
        return f": did you mean {' or '.join(meant)}?"
    return f"; it begins with: {', '.join(name for name, _ in model.named_children())}"
