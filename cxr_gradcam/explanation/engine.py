"""explain: what a model sees on a radiograph, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation.prediction import Prediction, predict, resolve
from cxr_gradcam.explanation.question import Options, Question
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.any_classifier import as_classifier
from cxr_gradcam.models.calibration import Verdict
from cxr_gradcam.models.classifier import Classifier


@dataclass(frozen=True, eq=False)
class Explanation:
    """A model's prediction for one radiograph, and the map that answers one question.

    Attributes:
        question: what was asked, with the class and the layers that were meant.
        prediction: what the model says of the radiograph.
        heatmap: float32 (H, W) on the radiograph's own grid, in [0, 1].
        peak: the map's maximum before normalisation; 0 where nothing was found, and the map is
            empty. In units of the score for a gradient method at one layer, of the activations for
            EigenCAM and Score-CAM, a share of full agreement for several layers.
    """

    question: Question
    prediction: Prediction
    heatmap: NDArray[np.float32]
    peak: float

    @property
    def class_name(self) -> str:
        """The explained class."""
        return self.question.class_name or self.prediction.most_probable

    @property
    def method(self) -> str:
        """How the map was made, a name of `METHODS`."""
        return self.question.method

    @property
    def layers(self) -> tuple[str, ...]:
        """Where in the network the map was made."""
        return tuple(self.question.layers or ())

    @property
    def contrast_with(self) -> str | None:
        """The class that the explained one is set against, or None."""
        return self.question.contrast_with

    @property
    def against(self) -> bool:
        """Whether the map shows what speaks against the class."""
        return self.question.against

    @property
    def probabilities(self) -> dict[str, float]:
        """{class name: calibrated probability}, as in `Prediction`."""
        return self.prediction.probabilities

    @property
    def predicted_class(self) -> str | None:
        """The most probable class, or None, as in `Prediction`."""
        return self.prediction.predicted_class

    @property
    def finding(self) -> str | None:
        """The class of the model's operating point, or None."""
        return self.prediction.finding

    @property
    def verdict(self) -> Verdict | None:
        """What the finding's probability means; None without an operating point."""
        return self.prediction.verdict

    @property
    def ood_score(self) -> float | None:
        """How far the image is from those of the training, as in `Prediction`."""
        return self.prediction.ood_score

    @property
    def is_familiar(self) -> bool | None:
        """Whether the image looks like those of the training; None where nobody knows."""
        return self.prediction.is_familiar

    @property
    def is_empty(self) -> bool:
        """Whether nothing in the image answers the question: there is no map to show."""
        return self.peak == 0


@dataclass(frozen=True, eq=False)
class Examination:
    """A radiograph whose forward pass is recorded; every question after that is cheap.

    Attributes:
        size: (H, W) of the radiograph in pixels; its pixels are not kept.
        model: what looked at it.
        forward_pass: what the network made of it.
    """

    size: tuple[int, int]
    model: Classifier
    forward_pass: ForwardPass

    @property
    def class_names(self) -> tuple[str, ...]:
        """The model's classes."""
        return self.model.class_names

    @property
    def probabilities(self) -> dict[str, float]:
        """{class name: calibrated probability}."""
        return self.prediction.probabilities

    @property
    def prediction(self) -> Prediction:
        """What the model says of the radiograph."""
        return predict(self.model, self.forward_pass)

    @property
    def ood_score(self) -> float | None:
        """How far the image is from those of the training, as in `Prediction`."""
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
        """Answer a question by a map.

        Args:
            question: its layers are among those recorded.
            progress: called while Score-CAM and Ablation-CAM are at work.

        Returns:
            The explanation, its map on the radiograph's grid; its question names class and layers.

        Raises:
            ValueError: no such class or layer.
        """
        asked = resolve(question, self.model, self.forward_pass)
        contrast = asked.contrast_with
        with torch.no_grad():
            heatmaps, peaks = self.forward_pass.maps(
                self.class_names.index(str(asked.class_name)),
                asked.method,
                layers=asked.layers,
                contrast_idx=None if contrast is None else self.class_names.index(contrast),
                against=asked.against,
                fusion=asked.fusion,
                size=self.size,
                progress=progress,
            )
        return Explanation(asked, self.prediction, heatmaps[0].cpu().numpy(), float(peaks[0]))


def examine(
    model: Classifier | nn.Module, radiograph: Radiograph, layers: Sequence[str] | None = None
) -> Examination:
    """Run a model on a radiograph once.

    The model is run in eval mode; the mode of every module is then as before.

    Args:
        model: a `ResNet50FineTuned` with Grad-CAM enabled, a `CAM`, or any torch classifier, of
            which a `CAM` is then made.
        radiograph: the picture.
        layers: the layers that maps can be taken at; None for the model's target layers.

    Returns:
        The examination, to be asked by `explain`.

    Raises:
        ValueError: no such layer, or no target layer can be guessed.
        RuntimeError: Grad-CAM is not enabled.
    """
    known = as_classifier(model)
    height, width = radiograph.pixels.shape
    forward_pass = known.record(known.prepare(radiograph), layers)
    return Examination((height, width), known, forward_pass)


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

    The model is run in eval mode; the mode of every module is then as before.

    Args:
        model: as in `examine`, which see for several questions about one radiograph.
        radiograph: the picture.
        class_name: the class to explain; None for the predicted one.
        method: a name of `METHODS`.
        progress: called while Score-CAM and Ablation-CAM are at work.
        options: `contrast_with`, `against`, `layers` and `fusion`, as in `Question`.

    Returns:
        The explanation, its map on the radiograph's grid.

    Raises:
        ValueError: no such class, method or layer.
        RuntimeError: Grad-CAM is not enabled.
    """
    question = Question(class_name, method, **options)
    return examine(model, radiograph, question.layers).answer(question, progress)
