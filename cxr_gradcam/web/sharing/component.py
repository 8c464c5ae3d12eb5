"""The button that copies a link to the view, and the reading of a link when the page opens."""

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

    Its select event carries the query of the page's address, where one of a link's parameters is in
    it; its submit event the slow method that a link names, when the radiograph is shown.

    Args:
        settings: as `gr.HTML` takes them; Gradio copies the component for a visitor's session.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as Gradio's own
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
        """Return the value unchanged: it comes from `link_instructions`."""
        return value


def link_instructions(link: Link, *, is_open: bool) -> dict[str, Any]:
    """Return what the browser has to do for a link.

    Args:
        link: the link that the page was opened with.
        is_open: whether a radiograph is open, which is then answered at once.

    Returns:
        {"display", "example", "note"} as in `Link`; "compare", as the compare field takes it;
        "method", the slow method to ask by when the radiograph is shown, or None; "is_open".
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
