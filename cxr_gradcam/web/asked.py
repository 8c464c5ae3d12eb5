"""What a reader asks: which model, for which class, which question, by which method, how fine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.stages import SHOWN_FIRST


@dataclass(frozen=True)
class Evidence:
    """Which evidence a map shows, of whatever class is chosen.

    Attributes:
        against: what speaks against the class, not for it.
        contrast_with: what speaks for the class rather than for this one.
    """

    against: bool = False
    contrast_with: str | None = None

    def question(self, class_name: str) -> str:
        """Ask for the evidence in words."""
        if self.contrast_with is not None:
            return f"Why {class_name} rather than {self.contrast_with}?"
        return f"What speaks {'against' if self.against else 'for'} {class_name}?"


@dataclass(frozen=True)
class Asked:
    """What the controls say.

    Attributes:
        model: the name of a model of the page.
        class_name: the class to explain; None for the most probable.
        evidence: which evidence of it.
        method: a name of `METHODS`.
        detail: a name of the model's `detail`.
    """

    model: str
    class_name: str | None
    evidence: Evidence
    method: str
    detail: str

    def question(self, model: Classifier) -> Question:
        """Return what `Examination` is asked."""
        return Question(
            class_name=self.class_name,
            method=self.method,
            contrast_with=self.evidence.contrast_with,
            against=self.evidence.against,
            layers=model.detail[self.detail],
        )


def about_class(asked: Asked, class_name: str) -> Asked:
    """Ask of a class what was asked, or for it where that would set it against itself."""
    same = asked.evidence.contrast_with == class_name
    return replace(asked, class_name=class_name, evidence=Evidence() if same else asked.evidence)


def evidence_of(class_names: Sequence[str]) -> list[Evidence]:
    """Return the evidence that can be asked for; the browser sends the number in this list."""
    contrasts = [Evidence(contrast_with=name) for name in class_names]
    return [Evidence(), Evidence(against=True), *contrasts]


def questions(class_names: Sequence[str], class_name: str) -> list[tuple[str, int]]:
    """Word the questions that a map of a class can answer, each with its number."""
    return [
        (evidence.question(class_name), number)
        for number, evidence in enumerate(evidence_of(class_names))
        if evidence.contrast_with != class_name
    ]


def quick(method: str) -> str:
    """Return the method itself, or Grad-CAM where it is slow."""
    return "gradcam" if METHODS[method].is_slow else method


def first_detail(model: Classifier) -> str:
    """Return the detail that the page begins with."""
    return SHOWN_FIRST if SHOWN_FIRST in model.detail else next(iter(model.detail))


def finest_layers(model: Classifier) -> tuple[str, ...]:
    """Return the layers that maps of every detail can be made of."""
    return max(model.detail.values(), key=len)
