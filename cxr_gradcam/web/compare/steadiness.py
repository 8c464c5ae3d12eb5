"""Steadiness of the shown answer, which the browser requests after showing the map."""

from __future__ import annotations

from html import escape
from typing import Any
from uuid import uuid4

import gradio as gr

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation.prediction import percentage
from cxr_gradcam.explanation.steadiness import Steadiness
from cxr_gradcam.web.component import OwnComponent
from cxr_gradcam.web.controls import Controls
from cxr_gradcam.web.session import Session

# Gradio runs this text when the component loads; the code itself comes as a module.
_ON_LOAD = """
import(new URL("compare/steadiness.js", document.baseURI)).then(({ start }) => {
  start(element, trigger);
});
"""


class SteadinessField(gr.HTML, metaclass=OwnComponent):
    """The text on steadiness; its select event requests the text."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as in Gradio
        super().__init__(js_on_load=_ON_LOAD, elem_id="steadiness", **settings)


class SteadinessHandlers:
    """The event handler of the field; it keeps no data of a visitor.

    Args:
        controls: the components of the question.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def measure(self, session: Session | None, *values: object) -> str:
        """Say how steady the answer and its map are; "" if nothing is open or maps are slow."""
        asked = self._controls.question_of(*values)
        if session is None or METHODS[asked.question.method].is_slow:
            return ""
        found = session.steadiness(asked)
        return steadiness_html(found) if found.mean_map.any() else ""


def steadiness_html(found: Steadiness) -> str:
    """Write how steady an answer is, as a word and in figures."""
    figures = (
        f"Under 16 small changes the probability moves by {percentage(found.probability_change)}, "
        f"the marked regions overlap by {percentage(found.overlap)}, and the hottest place moves "
        f"by {percentage(found.wandering)} of the picture's side."
    )
    answer = f'Answer and map are <b>{found.word}</b>, which is not "right"'
    # A new name each time: the browser removes the text when another map is requested.
    return (
        f'<details data-name="{uuid4().hex}"><summary>{answer}</summary>'
        f"<p>{escape(figures)}</p></details>"
    )
