"""The one maker of heat maps: what a model sees on radiographs, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cxr_gradcam.anatomy.network import network_input
from cxr_gradcam.anatomy.outline import Lungs, Outlining, Side
from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.maps import fuse
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.cam.targets import target_weights
from cxr_gradcam.explanation.explanation import Explanation
from cxr_gradcam.explanation.prediction import Prediction, predict
from cxr_gradcam.explanation.question import Options, Question
from cxr_gradcam.imaging.radiograph import Radiograph, as_radiograph
from cxr_gradcam.models.any_classifier import as_classifier
from cxr_gradcam.models.classifier import Classifier

_ROUNDING = 1e-6  # of the maximum: places of a map that differ by less are equally hot


@dataclass(frozen=True, eq=False)
class Examination:
    """One radiograph whose forward pass is recorded; every question after that is cheap.

    Attributes:
        size: (H, W) of the radiograph in pixels.
        model: the classifier.
        forward_pass: the recorded forward pass, of this radiograph alone.
        pixels: grey values (H, W) of the radiograph, in [0, 1], for figures; None to keep none.
        right_side: the side of the picture at which the patient's right is; None where the file
            does not say so.
    """

    size: tuple[int, int]
    model: Classifier
    forward_pass: ForwardPass
    pixels: NDArray[np.float32] | None = None
    right_side: Side | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The model's classes, in the order of the logits."""
        return self.model.class_names

    @property
    def probabilities(self) -> dict[str, float]:
        """{class name: calibrated probability}."""
        return self.prediction.probabilities

    @property
    def prediction(self) -> Prediction:
        """What the model says of the radiograph."""
        return predict(self.model, self.forward_pass, self._outlining)

    @property
    def lungs(self) -> Lungs:
        """Both lungs of the radiograph, outlined when they are first asked for."""
        return self._outlining.lungs

    @cached_property
    def _outlining(self) -> Outlining:
        return _outlining(self.model, self.forward_pass, 0, self.size, self.right_side)

    @property
    def ood_score(self) -> float | None:
        """The out-of-distribution score, as in `Prediction`."""
        return self.prediction.ood_score

    def explain(
        self,
        class_name: str | None = None,
        method: str = "gradcam",
        *,
        progress: Progress | None = None,
        **options: Unpack[Options],
    ) -> Explanation:
        """Map where the score of a class comes from; the arguments are those of `Question`."""
        return self.answer(Question(class_name, method, **options), progress)

    def answer(self, question: Question, progress: Progress | None = None) -> Explanation:
        """Answer a question by a heat map.

        Args:
            question: about layers that were recorded.
            progress: called with (steps done, steps in all) while a slow method is at work.

        Returns:
            The explanation, its map on the radiograph's grid.

        Raises:
            ValueError: the model has no such class or detail, or the layer was not recorded.
        """
        [explanation] = _explanations(
            self.model,
            self.forward_pass,
            [self._outlining],
            question,
            full_size=True,
            progress=progress,
        )
        return explanation if self.pixels is None else replace(explanation, pixels=self.pixels)


def examine(
    model: Classifier | nn.Module, radiograph: Radiograph, layers: Sequence[str] | None = None
) -> Examination:
    """Run a model on a radiograph once.

    The model is run in eval mode; the mode of every module is then as before.

    Args:
        model: a `ResNet50FineTuned` with Grad-CAM enabled, a `CAM`, or any torch classifier, of
            which a `CAM` is then made.
        radiograph: the radiograph.
        layers: the layers that maps can be taken at; None for the model's target layers.

    Returns:
        The examination, which answers questions by its `explain`.

    Raises:
        RadiographError: what is given is no `Radiograph`.
        ValueError: the model has no such layer, or no target layer can be found.
        RuntimeError: Grad-CAM is not enabled.
    """
    classifier = as_classifier(model)
    height, width = as_radiograph(radiograph).pixels.shape
    forward_pass = classifier.record(classifier.prepare(radiograph), layers)
    return Examination(
        (height, width), classifier, forward_pass, radiograph.pixels, radiograph.right_side
    )


def explain(
    model: Classifier | nn.Module,
    radiograph: Radiograph,
    class_name: str | None = None,
    method: str = "gradcam",
    *,
    progress: Progress | None = None,
    **options: Unpack[Options],
) -> Explanation:
    """Classify a radiograph and map where the score of a class comes from.

    The model is run in eval mode; the mode of every module is then as before. Several questions
    about one radiograph are cheaper by `examine`.

    Args:
        model: a `ResNet50FineTuned` with Grad-CAM enabled, a `CAM`, or any torch classifier.
        radiograph: the radiograph.
        class_name: the class to explain; None for the most probable one.
        method: a name of `METHODS`.
        progress: called with (steps done, steps in all) while a slow method is at work.
        options: `contrast_with`, `against`, `layers`, `detail` and `fusion` of `Question`.

    Returns:
        The explanation, its map on the radiograph's grid.

    Raises:
        ValueError: the model has no such class, method, layer or detail.
        RuntimeError: Grad-CAM is not enabled.
    """
    classifier = as_classifier(model)
    question = Question(class_name, method, **options).for_model(classifier)
    return examine(classifier, radiograph, question.layers).answer(question, progress)


def explain_inputs(
    model: Classifier,
    x: Tensor,
    sizes: Sequence[tuple[int, int]],
    question: Question,
    *,
    full_size: bool,
    right_sides: Sequence[Side | None] | None = None,
    progress: Progress | None = None,
) -> list[Explanation]:
    """Run a model on N radiographs at once, and answer the same question about each.

    Args:
        model: a classifier with Grad-CAM enabled.
        x: the network's inputs (N, C, H, W), as `model.prepare` makes them.
        sizes: (H, W) of the N radiographs in pixels.
        question: asked of each radiograph.
        full_size: bring each map to its radiograph's grid; else it stays on the network's.
        right_sides: the side of each picture at which the patient's right is, None where its file
            does not say so; None where no file does.
        progress: called with (steps done, steps in all) while a slow method is at work.

    Returns:
        An explanation for each radiograph, the same as it would get alone.

    Raises:
        ValueError: the model has no such class, layer or detail.
    """
    question = question.for_model(model)
    forward_pass = model.record(x, question.layers)
    outlinings = [
        _outlining(model, forward_pass, sample, size, side)
        for sample, (size, side) in enumerate(
            zip(sizes, right_sides or [None] * len(sizes), strict=True)
        )
    ]
    return _explanations(
        model, forward_pass, outlinings, question, full_size=full_size, progress=progress
    )


def _explanations(
    model: Classifier,
    forward_pass: ForwardPass,
    outlinings: Sequence[Outlining],
    question: Question,
    *,
    full_size: bool,
    progress: Progress | None,
) -> list[Explanation]:
    """Answer a question about each radiograph of a recorded forward pass."""
    asked = _resolved(question, model, forward_pass)
    maps = _raw_maps(asked, model, forward_pass, progress)
    grid = forward_pass.x.shape[-2], forward_pass.x.shape[-1]
    on_grid, peaks = fuse(maps, grid, question.fusion)
    explanations = []
    for sample, outlining in enumerate(outlinings):
        heatmap, peak = on_grid[sample], float(peaks[sample])
        hottest = _hottest(heatmap, outlining.size) if peak else None
        if full_size:
            own = [each[sample : sample + 1] for each in maps]
            heatmap = fuse(own, outlining.size, question.fusion)[0][0]
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


def _outlining(
    model: Classifier,
    forward_pass: ForwardPass,
    sample: int,
    size: tuple[int, int],
    right_side: Side | None,
) -> Outlining:
    """Take what the lungs' outlines need from the network's input, which is the whole picture."""
    picture = model.preprocessing.picture(forward_pass.x[sample : sample + 1])
    return Outlining(network_input(picture[..., 0])[0, 0].numpy(), size, right_side)


def _resolved(question: Question, model: Classifier, forward_pass: ForwardPass) -> list[Question]:
    """Name the class and the layers that a question means for each radiograph."""
    question = question.for_model(model)
    layers = forward_pass.layers if question.layers is None else question.layers
    predicted = [model.class_names[index] for index in forward_pass.logits.argmax(dim=1).tolist()]
    return [
        replace(question, class_name=question.class_name or name, layers=layers)
        for name in predicted
    ]


def _raw_maps(
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
    """Return (x, y) of the middle of a scaled map's maximum, in pixels of a radiograph."""
    rows, columns = (heatmap >= 1 - _ROUNDING).nonzero(as_tuple=True)
    down, across = (float(places.double().mean()) + 0.5 for places in (rows, columns))
    return across / heatmap.shape[1] * size[1], down / heatmap.shape[0] * size[0]
