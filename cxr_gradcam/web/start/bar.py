"""The bar at the top of the page: the open X-ray, and the actions for it."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from starlette.routing import BaseRoute

from cxr_gradcam.web.component import OwnComponent, code_of

_STATIC = Path(__file__).parents[1] / "static" / "page"

# Gradio runs this text when the component loads; the code itself comes as modules.
_ON_LOAD = """
import(new URL("page/main.js", document.baseURI)).then(({ start }) => start(element));
"""


class Bar(gr.HTML, metaclass=OwnComponent):
    """The bar, the disclaimer line, and the page's messages."""

    def __init__(self) -> None:
        super().__init__(
            (_STATIC / "bar.html").read_text("utf-8"),
            js_on_load=_ON_LOAD,
            apply_default_css=False,
            elem_id="bar",
        )

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes that the page must serve for the bar: its code."""
        return [code_of("page", _STATIC)]
