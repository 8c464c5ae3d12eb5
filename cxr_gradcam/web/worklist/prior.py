"""A prior X-ray beside the open one: where it is chosen, and what the model says of it."""

from __future__ import annotations

from html import escape

import gradio as gr

from cxr_gradcam.explanation.prediction import Prediction, percentage

CAPTION = "Prior"
"""What the panels of the prior are called."""

_CHOOSE = """<label>Set a prior X-ray beside it <input type="file"></label>"""
_ON_LOAD = """
element.addEventListener("click", (event) => event.target.closest("button") && trigger("click"));
"""


def prior_field() -> gr.HTML:
    """Make the field that takes a prior; it is there while an X-ray is open."""
    return gr.HTML(_CHOOSE, elem_id="choose-prior")


def prior_answer() -> gr.HTML:
    """Make the place for the prediction of the prior; its click event closes the prior."""
    return gr.HTML(elem_id="prior-answer", js_on_load=_ON_LOAD, container=True, padding=True)


def prior_html(prediction: Prediction) -> str:
    """Write what the model says of the prior, and the button that closes it."""
    name = prediction.finding or prediction.most_probable
    words = f"{name}: {percentage(prediction.probabilities[name])}"
    if prediction.is_familiar is False:
        words += ". It does not look like the X-rays of the training: do not rely on this"
    elif prediction.verdict is not None:
        words += f", {prediction.verdict}"
    return f'<h2>{CAPTION}</h2><p>{escape(words)}</p><button type="button">Close the prior</button>'
