"""A batch of radiographs through the network: each is answered as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.maps import fuse
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.cam.targets import target_weights
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.explanation.prediction import predict, resolve
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.report import record

_AT_PEAK = 1 - 1e-6
"""A place of a map, scaled to 1, from which it belongs to the maximum: rounding is below."""


@dataclass(frozen=True)
class Answer:
    """What the network says of one radiograph of a batch.

    Args:
        explanation: of it.
        peak: the maximum of its map on the network's grid, before scaling; 0 where it is empty.
        peak_x: where that is, in pixels of the radiograph from the left edge; None where it is
            empty.
        peak_y: from the upper edge.
    """

    explanation: Explanation
    peak: float
    peak_x: float | None
    peak_y: float | None

    @property
    def record(self) -> dict[str, Any]:
        """The keys of `report.record`, "ood_score", "peak", "peak_x" and "peak_y"."""
        return {
            **record(self.explanation),
            "ood_score": self.explanation.ood_score,
            "peak": self.peak,
            "peak_x": self.peak_x,
            "peak_y": self.peak_y,
        }


def explain_batch(
    model: Classifier,
    x: Tensor,
    sizes: Sequence[tuple[int, int]],
    question: Question,
    *,
    draw: bool,
    progress: Progress | None = None,
) -> list[Answer]:
    """Classify a batch and map what a question asks of each radiograph.

    Args:
        model: with Grad-CAM enabled.
        x: the network's inputs (N, C, H, W).
        sizes: (H, W) of the radiographs in pixels.
        question: asked of each.
        draw: bring each map to its radiograph's grid; without, it stays on the network's.
        progress: called while Score-CAM and Ablation-CAM are at work.

    Returns:
        An answer for each radiograph.

    Raises:
        ValueError: no such class or layer.
    """
    forward_pass = model.record(x, question.layers)
    maps = _maps(model, forward_pass, question, progress)
    on_grid, peaks = fuse(maps, (x.shape[-2], x.shape[-1]), question.fusion)
    answers = []
    for sample, size in enumerate(sizes):
        heatmap, value = on_grid[sample], float(peaks[sample])
        peak, place = value, _place(heatmap, size) if value else (None, None)
        if draw:
            own = [each[sample : sample + 1] for each in maps]
            drawn, values = fuse(own, size, question.fusion)
            heatmap, value = drawn[0], float(values[0])
        asked = resolve(question, model, forward_pass, sample)
        prediction = predict(model, forward_pass, sample)
        explanation = Explanation(asked, prediction, heatmap.cpu().numpy(), value)
        answers.append(Answer(explanation, peak, *place))
    return answers


def _maps(
    model: Classifier, forward_pass: ForwardPass, question: Question, progress: Progress | None
) -> list[Tensor]:
    """Return the maps (N, h, w) of each layer, before any scaling."""
    count = len(forward_pass.logits)
    asked = [resolve(question, model, forward_pass, sample) for sample in range(count)]
    names = model.class_names
    contrast = asked[0].contrast_with
    weights = target_weights(
        forward_pass.logits,
        [names.index(str(each.class_name)) for each in asked],
        None if contrast is None else names.index(contrast),
        against=question.against,
    )
    with torch.no_grad():
        return forward_pass.raw_maps(
            weights, question.method, asked[0].layers or forward_pass.layers, progress
        )


def _place(heatmap: Tensor, size: tuple[int, int]) -> tuple[float, float]:
    """Return x and y of the middle of a scaled map's maximum, in pixels of a radiograph."""
    rows, columns = (heatmap >= _AT_PEAK).nonzero(as_tuple=True)
    down, across = (float(places.double().mean()) + 0.5 for places in (rows, columns))
    return across / heatmap.shape[1] * size[1], down / heatmap.shape[0] * size[0]
