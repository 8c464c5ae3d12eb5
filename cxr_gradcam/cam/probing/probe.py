"""Find target layer, logits and classes of a classifier from forward passes of noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cxr_gradcam.cam.eval_mode import evaluating
from cxr_gradcam.cam.explainable import require_explainable, require_gradients
from cxr_gradcam.cam.hooks import capturing, hooked
from cxr_gradcam.cam.outputs import OutputFormat, find_scores
from cxr_gradcam.cam.probing.places import Watch, choose
from cxr_gradcam.cam.probing.probabilities import (
    kind_of_probabilities,
    lie_in_unit_range,
    stay_in_unit_range,
)


@dataclass(frozen=True)
class Probe:
    """The structure of a classifier, found by forward passes of noise.

    Attributes:
        target_layer: the last layer whose output still has places; if these are tokens, the
            normalisation before the last attention, since after it only the class token is used.
        logits_layer: the last linear layer, if the model's output is a softmax or sigmoid of that
            layer's output; else None.
        multi_label: whether several classes can be true at once.
        num_classes: number of classes C.
        output: how the output is read: which tensor holds the scores, and whether they are
            probabilities that do not come from a linear layer's logits.
        repeated: the layers that run more than once in a forward pass.
    """

    target_layer: nn.Module | None
    logits_layer: nn.Module | None
    multi_label: bool
    num_classes: int
    output: OutputFormat = field(default_factory=OutputFormat)
    repeated: frozenset[nn.Module] = frozenset()


def probe(model: nn.Module, x: Tensor, key: str | None = None, widths: Sequence[int] = ()) -> Probe:
    """Run a classifier and find what is needed to explain it.

    Args:
        model: gives logits or probabilities (N, C).
        x: different images (N, channels, H, W); several give a more reliable result than one.
        key: which tensor of the output holds the scores, as in `OutputFormat`; None to find it.
        widths: the possible numbers of columns of the scores, the likeliest first; empty if not
            known.

    Returns:
        The structure of the classifier.

    Raises:
        ValueError: the model's output is not (N, C), or it cannot be differentiated.
    """
    require_explainable(model)
    watch = Watch(x)
    with evaluating(model), torch.inference_mode(mode=False), torch.no_grad():
        with watch.watching(model):
            output = model(x)
        key = find_scores(output, len(x), widths) if key is None else key
        scores = OutputFormat(key).scores(output)
        require_gradients(scores)
        target = choose(watch, model, x)
        logits_layer, multi_label = _logits_layer(watch, scores)
        kind = None
        if logits_layer is None and lie_in_unit_range(scores):
            kind = kind_of_probabilities(_with_graph(model, x, target, key))
            if kind is None and stay_in_unit_range(model, x, OutputFormat(key).scores):
                kind = "independent"
    return Probe(
        target,
        logits_layer,
        multi_label or kind == "independent",
        scores.shape[1],
        OutputFormat(key, kind),
        watch.repeated,
    )


def _logits_layer(watch: Watch, output: Tensor) -> tuple[nn.Module | None, bool]:
    """Return the linear layer before a final softmax or sigmoid, and whether it is a sigmoid."""
    if watch.linear is not None and watch.linear[1].shape == output.shape:
        layer, logits = watch.linear[0], watch.linear[1].float()
        output = output.float()
        for function in (logits.softmax(dim=1), logits.log_softmax(dim=1)):
            if not torch.equal(output, logits) and torch.allclose(output, function):
                return layer, False
        if torch.allclose(output, logits.sigmoid()):
            return layer, True
    return None, False


def _with_graph(model: nn.Module, x: Tensor, target: nn.Module | None, key: str) -> Tensor:
    """Return the scores (N, C) of the model with their graph, the whole graph if possible.

    A forward pass that runs under no_grad has a graph only after a captured layer.
    """
    with torch.enable_grad():
        scores = OutputFormat(key).scores(model(x.detach().clone().requires_grad_()))
    if scores.requires_grad or target is None:
        return scores
    with capturing({"target": target}), hooked([target]):
        return OutputFormat(key).scores(model(x))
