"""A prior X-ray beside the open one, and the model's prediction for it."""

from __future__ import annotations

from html import escape

import gradio as gr

from cxr_gradcam.explanation.prediction import Prediction, percentage

CAPTION = "Prior"
"""The caption of the prior's panels."""

_ON_LOAD = """
element.addEventListener("click", (event) => event.target.closest("button") && trigger("click"));
"""


def prior_answer() -> gr.HTML:
    """Make the place for the prediction of the prior; its click event closes the prior."""
    return gr.HTML(elem_id="prior-answer", js_on_load=_ON_LOAD)


def prior_html(prediction: Prediction) -> str:
    """Write the model's prediction for the prior, and the button that closes it."""
    name = prediction.finding or prediction.most_probable
    share = percentage(prediction.probabilities[name])
    if prediction.is_familiar is False:
        words = "Unlike the training X-rays: not reliable"
    else:
        words = " ".join(filter(None, [name, prediction.verdict])) + f", {share}"
    return f'<h2>{CAPTION}</h2><p>{escape(words)}</p><button type="button">Close the prior</button>'
