"""A second answer about one radiograph: another class, method or model, or a check of the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation.covering import read_place
from cxr_gradcam.explanation.prediction import Prediction, percentage
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.question import PageQuestion, default_question

COVER, CHANGES = "cover", "changes"
"""Kinds with the same question about the radiograph with a place covered, or changed a little."""
MEAN = "mean"
"""The picture shown for small changes: the mean of their maps."""


@dataclass(frozen=True)
class Comparison:
    """The difference between the first answer and the second.

    Attributes:
        kind: "class", "method" or "model", or a check: `COVER` or `CHANGES`.
        name: the other class, method or model; the covered place in the format of `read_place`; or
            `MEAN`.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """Write the comparison in the browser's format."""
        return f"{self.kind}:{self.name}"

    def other(self, asked: PageQuestion, models: Mapping[str, Classifier]) -> PageQuestion:
        """Return the question of the second answer.

        Args:
            asked: the question of the first answer.
            models: the page's models, by name.
        """
        if self.kind == "class":
            return asked.about_class(self.name)
        if self.kind == "method":
            return asked.changed(method=self.name)
        return _of_model(asked, self.name, models[self.name])

    @property
    def is_slow(self) -> bool:
        """Whether the second answer takes seconds to minutes."""
        return self.kind == "method" and METHODS[self.name].is_slow


def read_comparison(text: str, model: str, models: Mapping[str, Classifier]) -> Comparison | None:
    """Parse a comparison from the browser, "kind:name".

    Args:
        text: the text from the browser.
        model: name of the model of the first answer.
        models: the page's models, by name.

    Returns:
        The comparison; None if the page does not offer it.
    """
    kind, _, name = text.partition(":")
    if kind == COVER:
        return Comparison(kind, name) if _is_place(name) else None
    offered = {"class": models[model].class_names, "method": METHODS, "model": models}
    offered[CHANGES] = (MEAN,)
    return Comparison(kind, name) if name in offered.get(kind, ()) else None


def _is_place(text: str) -> bool:
    try:
        read_place(text)
    except ValueError:
        return False
    return True


def caption(comparison: Comparison, asked: PageQuestion, prediction: Prediction) -> str:
    """Return the caption of one side of a comparison, which names the difference.

    Args:
        comparison: the comparison.
        asked: the question of this side, with its class.
        prediction: the prediction of this side's model.

    Example:
        >>> from cxr_gradcam.explanation import Question
        >>> asked = PageQuestion("mine", Question("Effusion", "layercam", detail="fine"))
        >>> caption(Comparison("class", "Mass"), asked, Prediction({"Effusion": 0.25}))
        'Effusion 25 %'
        >>> caption(Comparison("method", "gradcam"), asked, Prediction({"Effusion": 0.25}))
        'LayerCAM'
    """
    if comparison.kind == "method":
        return METHODS[asked.question.method].label
    name = str(asked.question.class_name)
    words = f"{name} {percentage(prediction.probabilities[name])}"
    return words if comparison.kind == "class" else f"{asked.model}, {words}"


def _of_model(asked: PageQuestion, name: str, model: Classifier) -> PageQuestion:
    """Return the same question for another model, as far as it has the classes."""
    usual, question = default_question(name, model), asked.question
    if question.detail in model.detail:
        usual = usual.changed(detail=question.detail)
    usual = usual.changed(method=question.method)
    if question.class_name not in model.class_names:
        return usual
    if question.contrast_with in (None, *model.class_names):
        usual = usual.changed(against=question.against, contrast_with=question.contrast_with)
    return usual.changed(class_name=question.class_name)
