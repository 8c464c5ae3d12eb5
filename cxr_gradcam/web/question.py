"""The page's form of a question: the model and the question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation.question import Question, default_detail
from cxr_gradcam.models.classifier import Classifier


@dataclass(frozen=True)
class PageQuestion:
    """A question to one of the page's models.

    Attributes:
        model: the model's name on the page.
        question: the question; its class may be None, its detail is given.
    """

    model: str
    question: Question

    def changed(self, **changes: Any) -> PageQuestion:  # noqa: ANN401 - fields of `Question`
        """Return the same question with other values of the fields of `Question`."""
        return replace(self, question=replace(self.question, **changes))

    def about_class(self, class_name: str) -> PageQuestion:
        """Return the question for another class, but never contrasted with itself."""
        if self.question.contrast_with == class_name:
            return self.changed(class_name=class_name, contrast_with=None)
        return self.changed(class_name=class_name)

    def quick(self) -> PageQuestion:
        """Return the question with Grad-CAM instead of a slow method."""
        return self.changed(method=Question().method) if self.is_slow else self

    @property
    def is_slow(self) -> bool:
        """Whether the answer takes seconds to minutes."""
        return METHODS[self.question.method].is_slow


def default_question(name: str, model: Classifier) -> PageQuestion:
    """Return the default question of the page."""
    return PageQuestion(name, Question(detail=default_detail(model)))


def evidence_choices(class_names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the kinds of evidence to choose from, for any explained class.

    Args:
        class_names: the model's classes.

    Yields:
        A key that the browser sends, and the fields of `Question` that it stands for: evidence for
        the class, evidence against it, and why it rather than each class of the model.
    """
    yield "for", {"against": False, "contrast_with": None}
    yield "against", {"against": True, "contrast_with": None}
    for name in class_names:
        yield f"vs:{name}", {"against": False, "contrast_with": name}


def evidence_key(question: Question) -> str:
    """Return the key of `evidence_choices` that stands for a question's evidence."""
    if question.contrast_with is not None:
        return f"vs:{question.contrast_with}"
    return "against" if question.against else "for"


def worded_choices(class_names: Sequence[str], class_name: str) -> list[tuple[str, str]]:
    """Return the questions about a class in words, each with its key of `evidence_choices`."""
    return [
        (_in_words(class_name, **fields), key)
        for key, fields in evidence_choices(class_names)
        if fields["contrast_with"] != class_name
    ]


def _in_words(class_name: str, *, against: bool, contrast_with: str | None) -> str:
    if contrast_with is not None:
        return f"Why {class_name} rather than {contrast_with}?"
    return f"What speaks {'against' if against else 'for'} {class_name}?"
