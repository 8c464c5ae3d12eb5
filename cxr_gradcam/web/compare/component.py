"""The field for choosing a comparison for the open radiograph's answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.routing import BaseRoute

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.component import OwnComponent, code_of

_STATIC = Path(__file__).parents[1] / "static" / "compare"

# Gradio runs this text when the component loads; the code itself comes as modules.
_ON_LOAD = """
import(new URL("compare/main.js", document.baseURI)).then(({ start }) => {
  start(element, props, trigger);
});
"""


class CompareField(gr.HTML, metaclass=OwnComponent):
    """The field; its select event carries `wanted` for `read_comparison`, "" for none.

    Args:
        models: the page's models by name.
        settings: arguments for `gr.HTML`, which Gradio copies for a visitor's session.
    """

    def __init__(self, models: Mapping[str, Classifier], **settings: Any) -> None:  # noqa: ANN401 - as in Gradio
        super().__init__(
            html_template=(_STATIC / "compare.html").read_text("utf-8"),
            css_template=(_STATIC / "compare.css").read_text("utf-8"),
            js_on_load=_ON_LOAD,
            apply_default_css=False,
            elem_id="compare",
            classes={name: list(model.class_names) for name, model in models.items()},
            methods={name: _label(name) for name in METHODS},
            **settings,
        )

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes that the page must serve for the field: its code."""
        return [code_of("compare", _STATIC)]


def _label(method: str) -> str:
    return METHODS[method].label + (" (slow)" if METHODS[method].is_slow else "")
