"""Find the layers that keep places of the image, by observing forward passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import get_ident

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.layers import Grid, with_merged_places

SPOTS = ((0.2, 0.65), (0.7, 0.25), (0.35, 0.2), (0.8, 0.8))
"""Centres of bright spots: fractions of height and of width, which are not correlated."""

_RADIUS = 0.08  # of the side
_MOST = 0.7  # of the greatest change: a spot appears above this
_FOLLOWS = 0.6  # correlation of the spots' positions in input and output


@dataclass(frozen=True)
class Places:
    """A layer whose output may be a grid of places.

    Attributes:
        layer: the module.
        grid: how the layer's output represents places.
        is_tokens: whether the output is a sequence of tokens.
        is_sure: whether a convolution or pooling layer has an output grid of the same size.
    """

    layer: nn.Module
    grid: Grid
    is_tokens: bool
    is_sure: bool


class Watch:
    """The outputs of a classifier's layers, each layer at its last call.

    Args:
        x: the input images, (N, channels, H, W).

    Attributes:
        places: the layers whose output may be a grid of places, in the order of the network.
        linear: the last linear layer with an output (N, K), and this output.
        norm_before_attention: the layer normalisation before the last attention.
        places_before_attention: how many of `places` there were when the last attention began.
    """

    def __init__(self, x: Tensor) -> None:
        self._batch, self._image_size = len(x), (x.shape[-2], x.shape[-1])
        self._thread = get_ident()  # other threads may be running the model
        self._grids = set[tuple[int, int]]()
        self._norm: nn.Module | None = None
        self._calls = Counter[nn.Module]()
        self._places = dict[nn.Module, Places]()
        self.norm_before_attention: nn.Module | None = None
        self.places_before_attention = 0
        self.linear: tuple[nn.Module, Tensor] | None = None

    @property
    def places(self) -> list[Places]:
        """Return the layers whose output may be a grid of places."""
        return list(self._places.values())

    @property
    def repeated(self) -> frozenset[nn.Module]:
        """Return the layers that ran more than once."""
        return frozenset(layer for layer, calls in self._calls.items() if calls > 1)

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Hold hooks on all layers of a model; none is left afterwards."""
        with ExitStack() as stack:
            for module in model.modules():
                stack.callback(module.register_forward_pre_hook(self._enter).remove)
                stack.callback(module.register_forward_hook(self._leave).remove)
            yield

    def _enter(self, module: nn.Module, _inputs: object) -> None:
        if get_ident() == self._thread and "attention" in type(module).__name__.lower():
            self.norm_before_attention = self._norm
            self.places_before_attention = len(self._places)

    def _leave(self, module: nn.Module, _inputs: object, output: object) -> None:
        if get_ident() != self._thread or not isinstance(output, Tensor):
            return
        self._calls[module] += 1
        if isinstance(module, nn.LayerNorm):
            self._norm = module
        if isinstance(module, nn.Linear) and output.ndim == 2:
            self.linear = module, output.clone()  # an in-place operation may follow
        if output.ndim == 4 and _keeps_places(module):
            self._grids.add((output.shape[-2], output.shape[-1]))
        if len(output) != self._batch or _ignores_the_image(output):
            return
        grid = Grid.of(output, self._image_size, with_merged_places(self._grids))
        if grid is not None and grid.height * grid.width > 1:
            self._places.pop(module, None)  # only the last call counts, in the order of last calls
            is_sure = (grid.height, grid.width) in self._grids
            self._places[module] = Places(module, grid, output.ndim == 3, is_sure)


def choose(watch: Watch, model: nn.Module, x: Tensor) -> nn.Module | None:
    """Return the layer to map: the last one whose output keeps places of the image.

    If its output is a sequence of tokens, the layer is the normalisation before the last attention:
    after it, only the class token may affect the scores. If the output's size is that of no
    convolution, bright spots must appear at their positions in it; otherwise the last earlier layer
    in which they do is returned.

    Args:
        watch: the outputs of the model's layers.
        model: the classifier, in eval mode.
        x: images as the model takes them, (N, channels, H, W).

    Returns:
        The layer; None if no layer keeps places.
    """
    places = watch.places
    if not places:
        return None
    last = places[-1]
    if last.is_tokens and watch.norm_before_attention is not None:
        norms = [each for each in places if each.layer is watch.norm_before_attention]
        if not norms:
            before = places[: watch.places_before_attention]
            seen = _followed(model, x, before)
            return seen[-1].layer if seen else watch.norm_before_attention
        [last] = norms
    if last.is_sure:
        return last.layer
    seen = _followed(model, x, places[: places.index(last) + 1])
    if not seen or (seen[-1].grid.height, seen[-1].grid.width) == (
        last.grid.height,
        last.grid.width,
    ):
        return last.layer  # weights that spread a spot over the picture show nothing
    return seen[-1].layer


def call_to_keep(model: nn.Module, x: Tensor, layer: nn.Module) -> int | None:
    """Return which of a layer's calls in one forward pass gets the unaltered picture.

    A network that averages its answers to a picture and to its mirror image runs each layer twice,
    and a map of the second call would be a mirror image, too.

    Args:
        model: the classifier, in eval mode.
        x: images as the model takes them, (N, channels, H, W).
        layer: the layer.

    Returns:
        The index of the first call in which bright spots appear at their positions. None if this is
        the last call, or no call: then the last call, the default, is mapped.
    """
    images, thread, follow = spotted(x), get_ident(), list[bool]()

    def look(_layer: nn.Module, _inputs: object, output: object) -> None:
        if get_ident() != thread:
            return
        is_batch = isinstance(output, Tensor) and len(output) == len(images)
        grid = Grid.of(output, (x.shape[-2], x.shape[-1])) if is_batch else None  # type: ignore[arg-type]
        follow.append(grid is not None and _follow(_centres(grid.arrange(output))))  # type: ignore[arg-type]

    hook = layer.register_forward_hook(look)
    try:
        with torch.no_grad():
            model(images)
    finally:
        hook.remove()
    return None if not any(follow) or follow[-1] else follow.index(True)


def spotted(x: Tensor) -> Tensor:
    """Return the first image unaltered, then with a bright spot at each of `SPOTS`.

    Args:
        x: images as a model takes them, (N, channels, H, W).

    Returns:
        (1 + the number of spots, channels, H, W).
    """
    background = 0.3 * x[:1] / x[:1].std().clamp_min(1e-6)
    images = background.repeat(1 + len(SPOTS), 1, 1, 1)
    down = ((torch.arange(x.shape[-2]) + 0.5) / x.shape[-2])[:, None].to(x.device)
    right = ((torch.arange(x.shape[-1]) + 0.5) / x.shape[-1])[None].to(x.device)
    for image, (row, column) in zip(images[1:], SPOTS, strict=True):
        image += 3.0 * ((down - row) ** 2 + (right - column) ** 2 < _RADIUS**2)
    return images


def _followed(model: nn.Module, x: Tensor, places: Sequence[Places]) -> list[Places]:
    """Return the layers in whose output bright spots appear at their positions.

    Two of the images are used as backgrounds: with only one, layers of random weights may pass by
    chance.
    """
    seen = [_followed_before(model, background, places) for background in x[:2].split(1)]
    return [each for each in places if all(each.layer in layers for layers in seen)]


def _followed_before(
    model: nn.Module, background: Tensor, places: Sequence[Places]
) -> set[nn.Module]:
    """Return the layers that follow bright spots added to one image (1, channels, H, W)."""
    seen = dict[nn.Module, Tensor]()
    images = spotted(background)
    thread, grids = get_ident(), {each.layer: each.grid for each in places}

    def look(layer: nn.Module, _inputs: object, output: object) -> None:
        if get_ident() == thread and isinstance(output, Tensor) and len(output) == len(images):
            seen[layer] = _centres(grids[layer].arrange(output))

    with ExitStack() as stack, torch.no_grad():
        for layer in grids:
            stack.callback(layer.register_forward_hook(look).remove)
        model(images)
    return {layer for layer, centres in seen.items() if _follow(centres)}


def _centres(output: Tensor) -> Tensor:
    """Return where each spot changed an output (1 + spots, K, h, w) most: fractions (spots, 2)."""
    change = (output[1:] - output[:1]).float().norm(dim=1)
    most = change.amax(dim=(1, 2), keepdim=True)
    change = change * (change >= _MOST * most)
    total = change.sum(dim=(1, 2)).clamp_min(torch.finfo(torch.float32).tiny)
    rows, columns = (
        (torch.arange(size, device=change.device) + 0.5) / size for size in change.shape[1:]
    )
    return torch.stack(
        [(change.sum(dim=2) @ rows) / total, (change.sum(dim=1) @ columns) / total], dim=1
    )


def _follow(centres: Tensor) -> bool:
    """Return whether the positions of spots are right, separately in rows and columns."""
    wanted = torch.tensor(SPOTS, device=centres.device)
    return all(
        bool(torch.corrcoef(torch.stack([centres[:, axis], wanted[:, axis]]))[0, 1] > _FOLLOWS)
        for axis in range(2)
    )


def _keeps_places(module: nn.Module) -> bool:
    pooling = nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d
    return isinstance(module, (nn.Conv2d, *pooling))


def _ignores_the_image(output: Tensor) -> bool:
    """Return whether all images have the same output, as from a table of position biases."""
    return len(output) > 1 and torch.equal(output[:1].expand_as(output), output)
