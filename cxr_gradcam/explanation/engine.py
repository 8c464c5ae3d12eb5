"""The only module that makes predictions and heat maps of radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Unpack

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cxr_gradcam.anatomy.filling import cover
from cxr_gradcam.anatomy.outline import Lungs, Outlining, Side
from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation.explanation import Explanation
from cxr_gradcam.explanation.mapping import answer_each, outlining_of
from cxr_gradcam.explanation.prediction import Prediction, predict
from cxr_gradcam.explanation.question import Options, Question
from cxr_gradcam.explanation.steadiness import Steadiness, measure_steadiness
from cxr_gradcam.imaging.radiograph import Radiograph, as_radiograph
from cxr_gradcam.models.any_classifier import as_classifier
from cxr_gradcam.models.classifier import Classifier


@dataclass(frozen=True, eq=False)
class Examination:
    """One radiograph with its recorded forward pass; further questions take little time.

    Attributes:
        size: (H, W) of the radiograph in pixels.
        model: the classifier.
        forward_pass: the recorded forward pass, of this radiograph alone.
        pixels: grey values (H, W) of the radiograph, in [0, 1], for figures; None to keep none.
        right_side: the side of the picture at which the patient's right is; None if the file does
            not state it.
        uncovered: the examination before a place was covered, whose lungs are used here too; None
            if nothing is covered.
    """

    size: tuple[int, int]
    model: Classifier
    forward_pass: ForwardPass
    pixels: NDArray[np.float32] | None = None
    right_side: Side | None = None
    uncovered: Examination | None = None

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
        """The model's prediction for the radiograph."""
        return predict(self.model, self.forward_pass, self._outlining)

    @property
    def lungs(self) -> Lungs:
        """Both lungs of the radiograph, outlined at the first access."""
        return self._outlining.lungs

    @cached_property
    def _outlining(self) -> Outlining:
        if self.uncovered is not None:
            return self.uncovered._outlining
        return outlining_of(self.model, self.forward_pass, 0, self.size, self.right_side)

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
        """Map the places that a class's score depends on; the arguments are those of `Question`."""
        return self.answer(Question(class_name, method, **options), progress)

    def answer(self, question: Question, progress: Progress | None = None) -> Explanation:
        """Answer a question by a heat map.

        Args:
            question: a question about recorded layers.
            progress: called with (steps done, steps in all) while a slow method runs.

        Returns:
            The explanation, with its map in the radiograph's size.

        Raises:
            ValueError: the model has no such class or detail, or the layer was not recorded.
        """
        [explanation] = answer_each(
            self.model,
            self.forward_pass,
            [self._outlining],
            question,
            full_size=True,
            progress=progress,
        )
        return explanation if self.pixels is None else replace(explanation, pixels=self.pixels)

    def cover(self, place: NDArray[np.bool_]) -> Examination:
        """Examine the radiograph with a place covered, to see whether the answer depends on it.

        Within the lungs a place gets the density of the same place of the other lung; elsewhere its
        surroundings are extended into it (`anatomy.filling`). docs/trust.md describes the limits.

        Args:
            place: bool (H, W) on the radiograph's own pixels, or on a smaller grid over all of it.

        Returns:
            The examination of the covered radiograph, with `pixels` if these are kept.

        Raises:
            ValueError: the place is not a mask, or is empty.

        Example:
            >>> from cxr_gradcam import ResNet50FineTuned
            >>> from cxr_gradcam.synthetic.chest import draw_phantom
            >>> ill = draw_phantom(3, size=224, opacity=True)
            >>> model = ResNet50FineTuned.from_checkpoint()
            >>> examination = examine(model, Radiograph(ill.pixels))
            >>> covered = examination.cover(ill.lesion_mask)
            >>> covered.probabilities["Pneumonia"] < examination.probabilities["Pneumonia"]
            True
        """
        _check_place(place)
        seen = self.model.preprocessing.picture(self.forward_pass.x)[..., 0]
        width, height = seen.shape[1], seen.shape[0]
        small = cv2.resize(place.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        covered = cover(seen, small > 0, self.lungs)
        x = self.model.prepare(Radiograph(covered))
        forward_pass = self.model.record(x, self.forward_pass.layers)
        pixels = None if self.pixels is None else _changed(self.pixels, covered - seen)
        return replace(self, forward_pass=forward_pass, pixels=pixels, uncovered=self)

    def steadiness(
        self,
        class_name: str | None = None,
        method: str = "gradcam",
        **options: Unpack[Options],
    ) -> Steadiness:
        """Measure how far answer and map move when the radiograph is changed a little.

        A steady answer is not necessarily right. The arguments are those of `explain`; a method
        that takes seconds for a map takes sixteen times as long.

        Example:
            >>> from cxr_gradcam import ResNet50FineTuned
            >>> from cxr_gradcam.synthetic.chest import draw_phantom
            >>> radiograph = Radiograph(draw_phantom(3, size=224, opacity=True).pixels)
            >>> examination = examine(ResNet50FineTuned.from_checkpoint(), radiograph)
            >>> examination.steadiness("Pneumonia").word in ("steady", "wavering", "unsteady")
            True
        """
        return self.steadiness_of(Question(class_name, method, **options))

    def steadiness_of(self, question: Question) -> Steadiness:
        """Measure the steadiness of the answer to a question, as `steadiness` does."""
        return measure_steadiness(self.model, self.forward_pass, question)


def examine(
    model: Classifier | nn.Module, radiograph: Radiograph, layers: Sequence[str] | None = None
) -> Examination:
    """Run a model on a radiograph once.

    The model is run in eval mode; then the mode of every module is restored.

    Args:
        model: a `ResNet50FineTuned` with Grad-CAM enabled, a `CAM`, or any torch classifier, which
            is wrapped in a `CAM`.
        radiograph: the radiograph.
        layers: the layers that can be mapped; None for the model's target layers.

    Returns:
        The examination, which answers questions by its `explain`.

    Raises:
        RadiographError: `radiograph` is not a `Radiograph`.
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
    """Classify a radiograph and map the places that the score of a class depends on.

    The model is run in eval mode; then the mode of every module is restored. For several questions
    about one radiograph, `examine` is faster.

    Args:
        model: a `ResNet50FineTuned` with Grad-CAM enabled, a `CAM`, or any torch classifier.
        radiograph: the radiograph.
        class_name: the class to explain; None for the most probable one.
        method: a name of `METHODS`.
        progress: called with (steps done, steps in all) while a slow method runs.
        options: `contrast_with`, `against`, `layers`, `detail` and `fusion` of `Question`.

    Returns:
        The explanation, with its map in the radiograph's size.

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
        question: the question about each radiograph.
        full_size: resize each map to its radiograph; else it keeps the size of the network's input.
        right_sides: the side of each picture at which the patient's right is, or None if its file
            does not state it; None instead of a list if no file does.
        progress: called with (steps done, steps in all) while a slow method runs.

    Returns:
        An explanation for each radiograph, the same as for the radiograph alone.

    Raises:
        ValueError: the model has no such class, layer or detail.
    """
    question = question.for_model(model)
    forward_pass = model.record(x, question.layers)
    outlinings = [
        outlining_of(model, forward_pass, sample, size, side)
        for sample, (size, side) in enumerate(
            zip(sizes, right_sides or [None] * len(sizes), strict=True)
        )
    ]
    return answer_each(
        model, forward_pass, outlinings, question, full_size=full_size, progress=progress
    )


def _check_place(place: NDArray[np.bool_]) -> None:
    if place.dtype != np.bool_ or place.ndim != 2:
        raise ValueError(
            f"a place is a mask of True and False (H, W), not {place.dtype} {place.shape}"
        )
    if not place.any():
        raise ValueError("the place is empty, so nothing is covered: mark at least one pixel")


def _changed(pixels: NDArray[np.float32], change: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add a change of grey values (h, w) to a radiograph (H, W)."""
    height, width = pixels.shape
    full = cv2.resize(change, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray((pixels + full).clip(0, 1), np.float32)
