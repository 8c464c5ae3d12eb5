"""The first minute: what this page is not, and what to do on it."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

_STATIC = Path(__file__).parents[1] / "static" / "start"


def disclaimer() -> gr.HTML:
    """Make the disclaimer: always there in small, and marked until it is accepted.

    That it was is remembered in the browser alone; where the browser refuses, it is asked again.
    Nothing waits for it.
    """
    return gr.HTML(
        (_STATIC / "disclaimer.html").read_text("utf-8"),
        js_on_load=(_STATIC / "disclaimer.js").read_text("utf-8"),
        elem_id="disclaimer",
    )


def welcome() -> gr.HTML:
    """Make the three steps of the empty page; they go when an X-ray or a worklist is open."""
    return gr.HTML(
        (_STATIC / "welcome.html").read_text("utf-8"),
        js_on_load=(_STATIC / "welcome.js").read_text("utf-8"),
        elem_id="welcome",
    )
