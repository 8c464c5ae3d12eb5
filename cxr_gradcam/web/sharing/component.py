"""The button that copies a link to the view, and the use of a link when the page opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from starlette.routing import BaseRoute

from cxr_gradcam.explanation.display import DISPLAY_FIELDS
from cxr_gradcam.web.component import OwnComponent, code_of
from cxr_gradcam.web.sharing.query import PARAMETERS, Link

_STATIC = Path(__file__).parents[1] / "static" / "sharing"

# Gradio runs this text when the component loads; the code itself comes as modules.
_ON_LOAD = """
import(new URL("sharing/main.js", document.baseURI)).then(({ start }) => {
  start(element, props, watch, trigger);
});
"""


class LinkButton(gr.HTML, metaclass=OwnComponent):
    """The button that copies a link, and the query that the page was opened with.

    Its select event carries the query of the page's address, if it has a parameter of a link. Its
    submit event carries the slow method that a link names, when the radiograph is shown.

    Args:
        settings: arguments for `gr.HTML`, which Gradio copies for a visitor's session.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as in Gradio
        super().__init__(
            html_template=(_STATIC / "sharing.html").read_text("utf-8"),
            js_on_load=_ON_LOAD,
            apply_default_css=False,
            elem_id="sharing",
            parameters=list(PARAMETERS),
            display={each.name: each.parameter for each in DISPLAY_FIELDS if each.parameter},
            **settings,
        )

    @property
    def routes(self) -> list[BaseRoute]:
        """The route of the button's code."""
        return [code_of("sharing", _STATIC)]

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:  # type: ignore[override]
        """Return the value from `link_instructions` unchanged."""
        return value


def link_instructions(link: Link, *, is_open: bool) -> dict[str, Any]:
    """Return the browser's instructions for a link.

    Args:
        link: the link that the page was opened with.
        is_open: whether a radiograph is open; then the question is answered at once.

    Returns:
        {"display", "example", "note"} as in `Link`; "compare", the value for the compare field;
        "method", the slow method to use when the radiograph is shown, or None; "is_open".
    """
    slow = link.asked.question.method if link.asked.is_slow else None
    return {
        "display": link.display,
        "example": link.example,
        "note": link.note,
        "compare": str(link.comparison or ""),
        "method": slow,
        "is_open": is_open,
    }
