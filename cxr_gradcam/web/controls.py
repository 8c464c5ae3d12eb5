"""The components by which a reader asks, and what their values mean."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.asked import Asked, Evidence, evidence_of, first_detail, questions
from cxr_gradcam.web.component import DropdownField, RadioField
from cxr_gradcam.web.prediction import FEW

_DETAIL_LABELS = {"coarse": "Coarse", "fine": "Fine", "finest": "Finest"}

Values = tuple[object, object, object, object, object]
"""The values of `Controls.all`, as a browser sends them."""


class Controls:
    """The components, and what their values mean.

    Args:
        models: what can be asked, by name.
        model: the field that names the one asked, as of `model_field`.
    """

    def __init__(self, models: Mapping[str, Classifier], model: DropdownField) -> None:
        self._models, self.model = models, model
        first = next(iter(models.values()))
        self.class_name = _class_field(models)
        self.question = DropdownField(
            questions(first.class_names, first.class_names[0]),
            value=0,
            label="Question",
            interactive=False,
        )
        with gr.Accordion("How the map is made", open=False):
            self.method = _method_field()
            self.detail = RadioField(
                label="Detail",
                info="Fine and finest maps add earlier layers: sharper, but less sure of the "
                "class. A grid of dots comes from the network, not from the image.",
                interactive=True,
                **_details(first),
            )

    @property
    def all(self) -> list[RadioField | DropdownField]:
        """The components, in the order in which `asked` takes their values."""
        return [self.model, self.class_name, self.question, self.method, self.detail]

    def asked(self, *values: *Values) -> Asked:
        """Say what the components' values mean.

        What the model does not know, as the class of the model before, is left open. A class is
        not set against itself: what speaks for it is shown instead.
        """
        name, class_name, number, method, detail = values
        model = _known(name, self._models) or next(iter(self._models))
        known = self._models[model]
        offered = dict(enumerate(evidence_of(known.class_names)))
        evidence = offered.get(number, Evidence()) if isinstance(number, int) else Evidence()
        return Asked(
            model,
            _known(class_name, known.class_names),
            Evidence() if evidence.contrast_with == class_name else evidence,
            _known(method, METHODS) or "gradcam",
            _known(detail, known.detail) or first_detail(known),
        )

    def classes(self, asked: Asked, names: Sequence[str]) -> RadioField | DropdownField:
        """Return the update that offers classes in an order and shows the one asked for."""
        return type(self.class_name)(list(names), value=asked.class_name, interactive=True)

    def questions(self, asked: Asked, *, interactive: bool = True) -> DropdownField:
        """Return the update that offers a class's questions and shows the one asked."""
        names = self._models[asked.model].class_names
        return DropdownField(
            questions(names, str(asked.class_name)),
            value=evidence_of(names).index(asked.evidence),
            interactive=interactive,
        )

    def waiting(self, asked: Asked) -> list[RadioField | DropdownField]:
        """Return the updates of class and question that show what the next radiograph is asked."""
        names = self._models[asked.model].class_names
        worded = replace(asked, class_name=asked.class_name or names[0])
        return [
            type(self.class_name)(list(names), value=asked.class_name, interactive=False),
            self.questions(worded, interactive=False),
        ]

    def values(self, asked: Asked) -> Values:
        """Return the values of `all` that mean a question."""
        number = evidence_of(self._models[asked.model].class_names).index(asked.evidence)
        return asked.model, asked.class_name, number, asked.method, asked.detail

    def details(self, asked: Asked) -> RadioField:
        """Return the update that offers the details of a model's maps."""
        return RadioField(**_details(self._models[asked.model]) | {"value": asked.detail})

    def locked(self) -> list[RadioField | DropdownField]:
        """Return the updates of class and question while there is nothing to ask."""
        return [
            type(self.class_name)(value=None, interactive=False),
            DropdownField(interactive=False),
        ]


def model_field(models: Mapping[str, Classifier]) -> DropdownField:
    """Make the field that names the model asked, the first one at first; hidden for one model."""
    return DropdownField(
        list(models),
        value=next(iter(models)),
        label="Model",
        visible=len(models) > 1,
        interactive=True,
    )


def _known(value: object, offered: Container[str]) -> str | None:
    """Return the name that a browser has sent, where it is offered."""
    return value if isinstance(value, str) and value in offered else None


def _class_field(models: Mapping[str, Classifier]) -> RadioField | DropdownField:
    most = max(models.values(), key=lambda model: len(model.class_names))
    kind = RadioField if len(most.class_names) <= FEW else DropdownField
    first = next(iter(models.values()))
    return kind(
        list(first.class_names), value=None, label="Show the evidence for", interactive=False
    )


def _method_field() -> DropdownField:
    method = DropdownField(
        [(_method_label(name), name) for name in METHODS],
        value="gradcam",
        label="Method",
        info=_method_info("gradcam"),
        interactive=True,
    )
    method.input(
        lambda name: DropdownField(info=_method_info(name)),
        method,
        method,
        queue=False,
        api_visibility="private",
    )
    return method


def _details(model: Classifier) -> dict[str, Any]:
    """Return the choices of a model, nothing to choose among hidden."""
    return {
        "choices": [(_DETAIL_LABELS[name], name) for name in model.detail],
        "value": first_detail(model),
        "visible": len(model.detail) > 1,
    }


def _method_label(name: str) -> str:
    return METHODS[name].label + (" (slow)" if METHODS[name].is_slow else "")


def _method_info(name: str) -> str:
    summary = METHODS[name].summary
    return f"{summary[0].upper()}{summary[1:]}."
