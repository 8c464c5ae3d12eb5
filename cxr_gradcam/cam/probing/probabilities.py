"""Whether a classifier's scores are probabilities already, told from values and from the graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.outputs import Probabilities

_TOLERANCE = 1e-4
_SQUASHING = ("Sigmoid", "LogSigmoid", "Hardsigmoid", "Softmax", "SparseSoftmax", "Tanh")
_LINEAR = ("Addmm", "Mm", "Bmm", "Baddbmm", "Addbmm", "Mv", "Dot", "Linear", "Convolution")
_NORMALISING = ("NativeBatchNorm", "CudnnBatchNorm", "NativeLayerNorm", "NativeGroupNorm")


def lie_in_unit_range(scores: Tensor) -> bool:
    """Return whether all scores (N, C) lie in [0, 1], but for rounding."""
    return bool((scores >= -_TOLERANCE).all()) and bool((scores <= 1 + _TOLERANCE).all())


def kind_of_probabilities(scores: Tensor) -> Probabilities | None:
    """Return what scores are, if they are probabilities.

    Args:
        scores: (N, C), of different images; with the graph that the classifier recorded, if any.

    Returns:
        "exclusive" for rows that sum to one, "independent" for others. None for logits: scores
        outside [0, 1], and scores that merely happen to lie there.
    """
    if not lie_in_unit_range(scores):
        return None
    sums = scores.detach().float().sum(dim=1)
    is_exclusive = scores.shape[1] > 1 and bool(((sums - 1).abs() < _TOLERANCE).all())
    varies = not torch.allclose(scores[:1].expand_as(scores), scores)
    if not _ends_in_probabilities(scores.grad_fn) and not (is_exclusive and varies):
        return None
    return "exclusive" if is_exclusive else "independent"


def _ends_in_probabilities(node: Any) -> bool:  # noqa: ANN401 - autograd's nodes have no type
    """Return whether all that leads to scores comes from a sigmoid, softmax or the like.

    Between these and the scores there may be anything that is no layer with weights: a mean over
    several networks or views, a limit, a choice of columns.
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
        # Without layers behind it: a weight, the image, or where the graph was cut.
        is_tensor = not each.next_functions and not isinstance(each.variable, nn.Parameter)
        if is_layer or is_tensor:
            yield each
        else:
            waiting += [before for before, _ in each.next_functions if before is not None]


def _name(node: Any) -> str:  # noqa: ANN401
    return str(node.name()).partition("Backward")[0]


def _is_squashing(node: Any) -> bool:  # noqa: ANN401
    """A softmax over the images of a batch gives no probabilities of classes."""
    return _name(node) in _SQUASHING and getattr(node, "_saved_dim", 1) != 0
