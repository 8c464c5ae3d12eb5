"""What a reader can ask of the map: for which class, which question, by which method, how fine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.models.stages import DETAIL, SHOWN_FIRST
from cxr_gradcam.question import Question

FOR, AGAINST, RATHER_THAN = "for", "against", "rather than "
_DETAIL_LABELS = {"coarse": "Coarse", "fine": "Fine", "finest": "Finest"}


@dataclass(frozen=True)
class Controls:
    """The components, in the order in which `question_of` takes their values."""

    class_name: gr.Radio
    question: gr.Dropdown
    method: gr.Dropdown
    detail: gr.Radio

    @property
    def all(self) -> list[gr.Radio | gr.Dropdown]:
        """The components as a list."""
        return [self.class_name, self.question, self.method, self.detail]


def controls(class_names: Sequence[str]) -> Controls:
    """Make the components; they can be used once there is an answer."""
    class_name = gr.Radio(list(class_names), label="Show the evidence for", interactive=False)
    question = gr.Dropdown(
        questions(class_names, class_names[0]), value=FOR, label="Question", interactive=False
    )
    with gr.Accordion("How the map is made", open=False):
        method = gr.Dropdown(
            [(_method_label(name), name) for name in METHODS],
            value="gradcam",
            label="Method",
            info=_method_info("gradcam"),
            interactive=True,
        )
        detail = gr.Radio(
            [(label, name) for name, label in _DETAIL_LABELS.items()],
            value=SHOWN_FIRST,
            label="Detail",
            info="Fine and finest maps add earlier layers: sharper, but less sure of the class. "
            "A grid of dots is the network's own, and not of the image.",
            interactive=True,
        )
    method.input(
        lambda name: gr.Dropdown(info=_method_info(name)),
        method,
        method,
        queue=False,
        api_visibility="private",
    )
    return Controls(class_name, question, method, detail)


def questions(class_names: Sequence[str], class_name: str) -> list[tuple[str, str]]:
    """Word the questions that a map of a class can answer, each with its value."""
    others = [name for name in class_names if name != class_name]
    return [
        (f"What speaks for {class_name}?", FOR),
        (f"What speaks against {class_name}?", AGAINST),
        *((f"Why {class_name} rather than {name}?", RATHER_THAN + name) for name in others),
    ]


def question_of(class_name: str, question: str, method: str, detail: str) -> Question:
    """Turn the components' values into a question."""
    contrast = question.removeprefix(RATHER_THAN) if question.startswith(RATHER_THAN) else None
    return Question(class_name, method, contrast, question == AGAINST, DETAIL[detail])


def possible(question: str, class_names: Sequence[str], class_name: str) -> str:
    """Give the question itself where it can be asked of a class, else the first one."""
    values = [value for _, value in questions(class_names, class_name)]
    return question if question in values else FOR


def quick(method: str) -> str:
    """Give the method itself, or Grad-CAM where it is slow."""
    return "gradcam" if METHODS[method].is_slow else method


def _method_label(name: str) -> str:
    return METHODS[name].label + (" (slow)" if METHODS[name].is_slow else "")


def _method_info(name: str) -> str:
    summary = METHODS[name].summary
    return f"{summary[0].upper()}{summary[1:]}."
