"""What a reader can ask of the map: for which class, which question, by which method, how fine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.models.stages import DETAIL, SHOWN_FIRST
from cxr_gradcam.question import Question

_DETAIL_LABELS = {"coarse": "Coarse", "fine": "Fine", "finest": "Finest"}


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
        class_name: the class to explain.
        evidence: which evidence of it.
        method: a name of `METHODS`.
        detail: a name of `DETAIL`.
    """

    class_name: str
    evidence: Evidence
    method: str
    detail: str

    @property
    def question(self) -> Question:
        """What `Examination` is asked."""
        return Question(
            class_name=self.class_name,
            method=self.method,
            contrast_with=self.evidence.contrast_with,
            against=self.evidence.against,
            layers=DETAIL[self.detail],
        )


class Controls:
    """The components, and what their values mean.

    The browser sends the evidence as its number in `evidence`.

    Args:
        class_names: the model's classes.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        contrasts = [Evidence(contrast_with=name) for name in class_names]
        self.evidence = [Evidence(), Evidence(against=True), *contrasts]
        self.class_name = gr.Radio(
            list(class_names), label="Show the evidence for", interactive=False
        )
        self.question = gr.Dropdown(
            self.questions(class_names[0]), value=0, label="Question", interactive=False
        )
        with gr.Accordion("How the map is made", open=False):
            self.method = _method_field()
            self.detail = _detail_field()

    @property
    def all(self) -> list[gr.Radio | gr.Dropdown]:
        """The components, in the order in which `asked` takes their values."""
        return [self.class_name, self.question, self.method, self.detail]

    def asked(self, class_name: str, number: int, method: str, detail: str) -> Asked:
        """Say what the components' values mean.

        A class is not set against itself: what speaks for it is shown instead.
        """
        evidence = self.evidence[number]
        if evidence.contrast_with == class_name:
            evidence = Evidence()
        return Asked(class_name, evidence, method, detail)

    def questions(self, class_name: str) -> list[tuple[str, int]]:
        """Word the questions that a map of a class can answer, each with its number."""
        return [
            (evidence.question(class_name), number)
            for number, evidence in enumerate(self.evidence)
            if evidence.contrast_with != class_name
        ]

    def question_for(self, asked: Asked) -> gr.Dropdown:
        """Return the update that offers a class's questions and shows the one asked."""
        choices = self.questions(asked.class_name)
        return gr.Dropdown(choices, value=self.evidence.index(asked.evidence), interactive=True)


def quick(method: str) -> str:
    """Return the method itself, or Grad-CAM where it is slow."""
    return "gradcam" if METHODS[method].is_slow else method


def _method_field() -> gr.Dropdown:
    method = gr.Dropdown(
        [(_method_label(name), name) for name in METHODS],
        value="gradcam",
        label="Method",
        info=_method_info("gradcam"),
        interactive=True,
    )
    method.input(
        lambda name: gr.Dropdown(info=_method_info(name)),
        method,
        method,
        queue=False,
        api_visibility="private",
    )
    return method


def _detail_field() -> gr.Radio:
    return gr.Radio(
        [(label, name) for name, label in _DETAIL_LABELS.items()],
        value=SHOWN_FIRST,
        label="Detail",
        info="Fine and finest maps add earlier layers: sharper, but less sure of the class. "
        "A grid of dots comes from the network, not from the image.",
        interactive=True,
    )


def _method_label(name: str) -> str:
    return METHODS[name].label + (" (slow)" if METHODS[name].is_slow else "")


def _method_info(name: str) -> str:
    summary = METHODS[name].summary
    return f"{summary[0].upper()}{summary[1:]}."
