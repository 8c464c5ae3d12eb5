"""Two answers about one radiograph: of two findings, by two methods or from two models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation.prediction import Prediction, percentage
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.asked import Asked, Evidence, about_class, first_detail


@dataclass(frozen=True)
class Comparison:
    """In what the second answer differs from the first one.

    Attributes:
        kind: "class", "method" or "model".
        name: the other class, method or model.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """Write it as the browser sends it."""
        return f"{self.kind}:{self.name}"

    def other(self, asked: Asked, models: Mapping[str, Classifier]) -> Asked:
        """Return the question of the second answer.

        Args:
            asked: that of the first one.
            models: what can be asked, by name.
        """
        if self.kind == "class":
            return about_class(asked, self.name)
        if self.kind == "method":
            return replace(asked, method=self.name)
        return _of_model(asked, self.name, models[self.name])

    @property
    def is_slow(self) -> bool:
        """Whether the second answer takes long."""
        return self.kind == "method" and METHODS[self.name].is_slow


def read_comparison(text: str, model: str, models: Mapping[str, Classifier]) -> Comparison | None:
    """Read what the browser sends, "kind:name".

    Args:
        text: anything.
        model: the name of the model that answers first.
        models: what can be asked, by name.

    Returns:
        The comparison; None where there is none of this name.
    """
    kind, _, name = text.partition(":")
    offered = {"class": models[model].class_names, "method": METHODS, "model": models}
    return Comparison(kind, name) if name in offered.get(kind, ()) else None


def caption(comparison: Comparison, asked: Asked, prediction: Prediction) -> str:
    """Name one side of a comparison by what the sides differ in.

    Args:
        comparison: what is compared.
        asked: the question of this side, its class named.
        prediction: what the model of this side says.

    Example:
        >>> from cxr_gradcam.web.asked import Asked, Evidence
        >>> asked = Asked("mine", "Effusion", Evidence(), "layercam", "fine")
        >>> caption(Comparison("class", "Mass"), asked, Prediction({"Effusion": 0.25}))
        'Effusion 25 %'
        >>> caption(Comparison("method", "gradcam"), asked, Prediction({"Effusion": 0.25}))
        'LayerCAM'
    """
    if comparison.kind == "method":
        return METHODS[asked.method].label
    name = str(asked.class_name)
    words = f"{name} {percentage(prediction.probabilities[name])}"
    return words if comparison.kind == "class" else f"{asked.model}, {words}"


def _of_model(asked: Asked, name: str, model: Classifier) -> Asked:
    """Ask another model the same, as far as it knows of it."""
    known, contrast = model.class_names, asked.evidence.contrast_with
    is_known = asked.class_name in known
    keeps = is_known and (contrast is None or contrast in known)
    return Asked(
        name,
        asked.class_name if is_known else None,
        asked.evidence if keeps else Evidence(),
        asked.method,
        asked.detail if asked.detail in model.detail else first_detail(model),
    )
