"""Whether a classifier's scores are already probabilities, from values and graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.outputs import Probabilities

_TOLERANCE = 1e-4
_LAST_LAYERS = 8
_FACTORS = (-1e3, 1e3)
_CHANGE = 1e-3  # of a score; random weights may give logits of almost 0
_SQUASHING = ("Sigmoid", "LogSigmoid", "Hardsigmoid", "Softmax", "SparseSoftmax", "Tanh")
_LINEAR = ("Addmm", "Mm", "Bmm", "Baddbmm", "Addbmm", "Mv", "Dot", "Linear", "Convolution")
_NORMALISING = ("NativeBatchNorm", "CudnnBatchNorm", "NativeLayerNorm", "NativeGroupNorm")


def lie_in_unit_range(scores: Tensor) -> bool:
    """Return whether all scores (N, C) lie in [0, 1], except for rounding."""
    return bool((scores >= -_TOLERANCE).all()) and bool((scores <= 1 + _TOLERANCE).all())


def kind_of_probabilities(scores: Tensor) -> Probabilities | None:
    """Return the kind of probabilities that scores are, if any.

    Args:
        scores: (N, C), of different images; with the graph that the classifier recorded, if any.

    Returns:
        "exclusive" for rows that sum to one, "independent" for others. None for logits: scores
        outside [0, 1], and scores that only happen to lie in it.
    """
    if not lie_in_unit_range(scores):
        return None
    sums = scores.detach().float().sum(dim=1)
    is_exclusive = scores.shape[1] > 1 and bool(((sums - 1).abs() < _TOLERANCE).all())
    varies = not torch.allclose(scores[:1].expand_as(scores), scores)
    if not _ends_in_probabilities(scores.grad_fn) and not (is_exclusive and varies):
        return None
    return "exclusive" if is_exclusive else "independent"


def stay_in_unit_range(model: nn.Module, x: Tensor, read: Callable[[object], Tensor]) -> bool:
    """Return whether scores lie in [0, 1] for any output of the layers before them.

    The images, and the output of each of the last layers that have weights, are multiplied by a
    thousand and by minus a thousand. Logits then leave the range; scores from a formula of the
    network such as 1 / (1 + exp(-logit)) stay in it.

    Args:
        model: the classifier, in eval mode.
        x: images as the model takes them, (N, channels, H, W).
        read: returns the scores (N, C) in an output of the model.
    """
    called = dict[nn.Module, None]()
    with _changing(model, lambda layer, _output: called.update({layer: None})):
        before = read(model(x))
    layers: list[nn.Module | None] = [None, *list(called)[-_LAST_LAYERS:]]
    has_changed = False
    for layer, factor in product(layers if called else [], _FACTORS):
        after = _scores_if_multiplied(model, x, read, layer, factor)
        known = after[after.isfinite()]  # an overflow shows nothing
        if not lie_in_unit_range(known):
            return False
        has_changed |= not torch.allclose(after, before, rtol=0, atol=_CHANGE, equal_nan=True)
    return has_changed


def _scores_if_multiplied(
    model: nn.Module,
    x: Tensor,
    read: Callable[[object], Tensor],
    layer: nn.Module | None,
    factor: float,
) -> Tensor:
    """Return the scores after multiplying a layer's output or, without a layer, the images."""
    if layer is None:
        return read(model(x * factor))
    with _changing(model, lambda each, output: output * factor if each is layer else None):
        return read(model(x))


@contextmanager
def _changing(model: nn.Module, change: Callable[[nn.Module, Tensor], Any]) -> Iterator[None]:
    """Change the output of layers with their own weights, in this thread."""
    thread = get_ident()

    def hook(layer: nn.Module, _inputs: object, output: object) -> Any:  # noqa: ANN401
        is_ours = get_ident() == thread and isinstance(output, Tensor)
        return change(layer, output) if is_ours else None  # type: ignore[arg-type]

    weighted = [each for each in model.modules() if [*each.parameters(recurse=False)]]
    hooks = [each.register_forward_hook(hook) for each in weighted]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()


def _ends_in_probabilities(node: Any) -> bool:  # noqa: ANN401 - autograd's nodes have no type
    """Return whether every path to the scores passes a sigmoid, a softmax or the like.

    Between these and the scores, any operations except layers with weights may follow: a mean over
    several networks or views, a clamp, a selection of columns.
    """
    ends = [*_ends(node)]
    return bool(ends) and all(_is_squashing(each) for each in ends)


def _ends(node: Any) -> Iterator[Any]:  # noqa: ANN401
    """Walk back from a node; yield the functions and layers at which the walk ends."""
    seen, waiting = set(), [] if node is None else [node]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        name = _name(each)
        is_layer = name in (*_SQUASHING, *_LINEAR, *_NORMALISING)
        # No further nodes: a weight, the image, or the place where the graph was cut.
        is_tensor = not each.next_functions and not isinstance(each.variable, nn.Parameter)
        if is_layer or is_tensor:
            yield each
        else:
            waiting += [before for before, _ in each.next_functions if before is not None]


def _name(node: Any) -> str:  # noqa: ANN401
    return str(node.name()).partition("Backward")[0]


def _is_squashing(node: Any) -> bool:  # noqa: ANN401
    """Return whether a node gives class probabilities; a softmax over the batch does not."""
    return _name(node) in _SQUASHING and getattr(node, "_saved_dim", 1) != 0
