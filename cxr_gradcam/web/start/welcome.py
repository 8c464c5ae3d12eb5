"""The empty page: one large area to drop an X-ray."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

_STATIC = Path(__file__).parents[1] / "static" / "start"


def welcome() -> gr.HTML:
    """Make the drop area; it is hidden when an X-ray or a worklist is open."""
    return gr.HTML(
        (_STATIC / "welcome.html").read_text("utf-8"),
        js_on_load=(_STATIC / "welcome.js").read_text("utf-8"),
        elem_id="welcome",
    )
