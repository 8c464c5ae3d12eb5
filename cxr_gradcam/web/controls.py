"""The components of a visitor's question, and the questions that their values stand for."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

import gradio as gr

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation.question import Question, default_detail
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.component import DropdownField, RadioField
from cxr_gradcam.web.prediction import FEW
from cxr_gradcam.web.question import (
    PageQuestion,
    default_question,
    evidence_choices,
    evidence_key,
    worded_choices,
)

_DETAIL_LABELS = {"coarse": "Coarse", "fine": "Fine", "finest": "Finest"}


class Controls:
    """The components of a visitor's question.

    Args:
        models: the page's models, by name.
        model: the field that names the model, made by `model_field`.
    """

    def __init__(self, models: Mapping[str, Classifier], model: DropdownField) -> None:
        self._models, self.model = models, model
        first = next(iter(models.values()))
        self.class_name = _class_field(models)
        self.question = DropdownField(
            worded_choices(first.class_names, first.class_names[0]),
            value=evidence_key(Question()),
            label="Question",
            interactive=False,
        )
        with gr.Accordion("How the map is made", open=False):
            self.method, self.more_methods = _method_fields()
            self.detail = RadioField(
                label="Detail",
                info="Fine and finest maps add earlier layers: sharper, but less sure of the "
                "class. A grid of dots comes from the network, not from the image.",
                interactive=True,
                **_details(first),
            )

    @property
    def all(self) -> list[RadioField | DropdownField]:
        """The components, in the order of the values for `question_of`."""
        return [self.model, self.class_name, self.question, self.method, self.detail]

    def question_of(self, *values: object) -> PageQuestion:
        """Return the question that the components' values stand for.

        A value that the model does not offer, such as a class of the previous model, is replaced by
        the default. A class is not contrasted with itself; evidence for it is shown instead.

        Args:
            values: values of the components of `all`, as sent by a browser.
        """
        name, class_name, evidence, method, detail = values
        usual = self._usual(name)
        model = self._models[usual.model]
        fields = dict(evidence_choices(model.class_names)).get(str(evidence), {})
        asked = usual.changed(
            **fields,
            method=_offered(method, METHODS, usual.question.method),
            detail=_offered(detail, model.detail, usual.question.detail),
        )
        known = _offered(class_name, model.class_names, None)
        return asked if known is None else asked.about_class(known)

    def values_of(self, asked: PageQuestion) -> list[str | None]:
        """Return the values of the components of `all` that stand for a question."""
        question = asked.question
        return [
            asked.model,
            question.class_name,
            evidence_key(question),
            question.method,
            question.detail,
        ]

    def methods(self, name: str) -> DropdownField:
        """Return the update that shows a method, even if it was not offered before."""
        update = _methods(name, every=True)
        if METHODS[name].is_offered_first:
            del update["choices"]  # the reader may have requested more methods
        return DropdownField(**update)

    def classes(self, asked: PageQuestion, names: Sequence[str]) -> RadioField | DropdownField:
        """Return the update that offers classes in a given order and shows the explained one."""
        chosen = asked.question.class_name
        return type(self.class_name)(list(names), value=chosen, interactive=True)

    def questions(self, asked: PageQuestion, *, interactive: bool = True) -> DropdownField:
        """Return the update that offers a class's questions and shows the current one."""
        names = self._models[asked.model].class_names
        return DropdownField(
            worded_choices(names, asked.question.class_name or names[0]),
            value=evidence_key(asked.question),
            interactive=interactive,
        )

    def waiting(self, asked: PageQuestion) -> list[RadioField | DropdownField]:
        """Return the updates of class and question that show the next radiograph's question."""
        names, chosen = self._models[asked.model].class_names, asked.question.class_name
        return [
            type(self.class_name)(list(names), value=chosen, interactive=False),
            self.questions(asked, interactive=False),
        ]

    def details(self, asked: PageQuestion) -> RadioField:
        """Return the update that offers the details of a model's maps."""
        return RadioField(**_details(self._models[asked.model]) | {"value": asked.question.detail})

    def locked(self) -> list[RadioField | DropdownField]:
        """Return the updates of class and question while no radiograph is open."""
        return [
            type(self.class_name)(value=None, interactive=False),
            DropdownField(interactive=False),
        ]

    def _usual(self, name: object) -> PageQuestion:
        known = _offered(name, self._models, None) or next(iter(self._models))
        return default_question(known, self._models[known])


def model_field(models: Mapping[str, Classifier]) -> DropdownField:
    """Make the field that names the model; hidden if the page has only one."""
    return DropdownField(
        list(models),
        value=next(iter(models)),
        label="Model",
        visible=len(models) > 1,
        interactive=True,
    )


def _offered(value: object, offered: Container[str], otherwise: str | None) -> str | None:
    """Return the name that a browser has sent if it is offered, else `otherwise`."""
    return value if isinstance(value, str) and value in offered else otherwise


def _class_field(models: Mapping[str, Classifier]) -> RadioField | DropdownField:
    most = max(models.values(), key=lambda model: len(model.class_names))
    kind = RadioField if len(most.class_names) <= FEW else DropdownField
    first = next(iter(models.values()))
    return kind(
        list(first.class_names),
        value=None,
        label="Evidence for",
        interactive=False,
        elem_id="class",
    )


def _method_fields() -> tuple[DropdownField, gr.Checkbox]:
    """Make the field of methods, and the checkbox that makes it offer all of them."""
    method = DropdownField(label="Method", interactive=True, **_methods(Question().method))
    more = gr.Checkbox(label="More methods", value=False, interactive=True)
    for change in (method.input, more.input):
        change(
            lambda name, every: DropdownField(**_methods(name, every=every)),
            [method, more],
            method,
            queue=False,
            api_visibility="private",
        )
    return method, more


def _methods(chosen: str, *, every: bool = False) -> dict[str, Any]:
    """Return the field of methods: those offered first and the chosen one, or every method."""
    offered = [
        name for name, each in METHODS.items() if every or each.is_offered_first or name == chosen
    ]
    return {
        "choices": [(_method_label(name), name) for name in offered],
        "value": chosen,
        "info": _method_info(chosen),
    }


def _details(model: Classifier) -> dict[str, Any]:
    """Return the detail field of a model; hidden if the model has only one detail."""
    return {
        "choices": [(_DETAIL_LABELS[name], name) for name in model.detail],
        "value": default_detail(model),
        "visible": len(model.detail) > 1,
    }


def _method_label(name: str) -> str:
    return METHODS[name].label + (" (slow)" if METHODS[name].is_slow else "")


def _method_info(name: str) -> str:
    summary = METHODS[name].summary
    return f"{summary[0].upper()}{summary[1:]}."
