"""From a recorded forward pass and a question to explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from cxr_gradcam.anatomy.network import network_input
from cxr_gradcam.anatomy.outline import Outlining, Side
from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.maps import fuse
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.cam.targets import target_weights
from cxr_gradcam.explanation.explanation import Explanation
from cxr_gradcam.explanation.prediction import predict
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.models.classifier import Classifier

_ROUNDING = 1e-6  # of the maximum: places of a map that differ by less are equally hot


def answer_each(
    model: Classifier,
    forward_pass: ForwardPass,
    outlinings: Sequence[Outlining],
    question: Question,
    *,
    full_size: bool,
    progress: Progress | None,
) -> list[Explanation]:
    """Answer a question about each radiograph of a recorded forward pass.

    Args:
        model: the classifier that recorded the pass.
        forward_pass: recorded forward pass of N radiographs.
        outlinings: the outlining of each radiograph's lungs.
        question: the question about each radiograph.
        full_size: resize each map to its radiograph; else it keeps the size of the network's input.
        progress: called with (steps done, steps in all) while a slow method runs.

    Returns:
        An explanation for each radiograph.

    Raises:
        ValueError: the model has no such class or detail, or the layer was not recorded.
    """
    asked = resolved(question, model, forward_pass)
    maps = raw_maps(asked, model, forward_pass, progress)
    grid = forward_pass.x.shape[-2], forward_pass.x.shape[-1]
    on_grid, peaks = fuse(maps, grid, asked[0].fusion)
    explanations = []
    for sample, outlining in enumerate(outlinings):
        heatmap, peak = on_grid[sample], float(peaks[sample])
        hottest = _hottest(heatmap, outlining.size) if peak else None
        if full_size:
            own = [each[sample : sample + 1] for each in maps]
            heatmap = fuse(own, outlining.size, asked[0].fusion)[0][0]
        prediction = predict(model, forward_pass, outlining, sample)
        explanations.append(
            Explanation(
                asked[sample],
                prediction,
                heatmap.cpu().numpy(),
                peak,
                hottest,
                outlining=outlining,
            )
        )
    return explanations


def outlining_of(
    model: Classifier,
    forward_pass: ForwardPass,
    sample: int,
    size: tuple[int, int],
    right_side: Side | None,
) -> Outlining:
    """Return the outlining of the lungs from the network's input, which is the whole picture.

    Args:
        model: the classifier that recorded the pass.
        forward_pass: recorded forward pass of N radiographs.
        sample: index of the radiograph, 0 to N - 1.
        size: (H, W) of the radiograph in pixels.
        right_side: the side of the picture at which the patient's right is; None if the file does
            not state it.
    """
    picture = model.preprocessing.picture(forward_pass.x[sample : sample + 1])
    return Outlining(network_input(picture[..., 0])[0, 0].numpy(), size, right_side)


def resolved(question: Question, model: Classifier, forward_pass: ForwardPass) -> list[Question]:
    """Fill in the class and layers of a question for each radiograph."""
    question = question.for_model(model)
    layers = forward_pass.layers if question.layers is None else question.layers
    predicted = [model.class_names[index] for index in forward_pass.logits.argmax(dim=1).tolist()]
    return [
        replace(question, class_name=question.class_name or name, layers=layers)
        for name in predicted
    ]


def raw_maps(
    asked: Sequence[Question],
    model: Classifier,
    forward_pass: ForwardPass,
    progress: Progress | None,
) -> list[Tensor]:
    """Return the maps (N, h, w) of each layer, before any scaling."""
    question, names = asked[0], model.class_names
    contrast = question.contrast_with
    weights = target_weights(
        forward_pass.logits,
        [names.index(str(each.class_name)) for each in asked],
        None if contrast is None else names.index(contrast),
        against=question.against,
    )
    with torch.no_grad():
        return forward_pass.raw_maps(weights, question.method, question.layers or (), progress)


def _hottest(heatmap: Tensor, size: tuple[int, int]) -> tuple[float, float]:
    """Return (x, y) of the mean position of a scaled map's maxima, in pixels of a radiograph."""
    rows, columns = (heatmap >= 1 - _ROUNDING).nonzero(as_tuple=True)
    down, across = (float(places.double().mean()) + 0.5 for places in (rows, columns))
    return across / heatmap.shape[1] * size[1], down / heatmap.shape[0] * size[0]
