"""The worklist: many files in the browser, answered one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.routing import BaseRoute

from cxr_gradcam.explanation.records import WORKLIST_COLUMNS
from cxr_gradcam.imaging.formats import EXTENSIONS
from cxr_gradcam.imaging.radiograph import MAX_BYTES
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.component import OwnComponent, code_of
from cxr_gradcam.web.worklist.rows import Rows

_STATIC = Path(__file__).parents[1] / "static" / "worklist"

MAX_FILES: int = 1000
"""How many files a worklist holds."""

# Gradio runs this text when the component loads; the code itself comes as modules.
_ON_LOAD = """
import(new URL("worklist/main.js", document.baseURI)).then(({ start }) => {
  start(element, props, watch, trigger);
});
"""


class Worklist(gr.HTML, metaclass=OwnComponent):
    """The list; files, their names and their order are the browser's.

    Several files, a folder or a ZIP archive that a visitor drops on the page or chooses in the
    upload field fill it; a single file goes the upload field's own way. The select event says which
    upload a row has become that is opened.

    Its value is the name of the model that is asked.

    Args:
        models: what can be asked, by name, the first one at first; with Grad-CAM enabled.
        settings: as `gr.HTML` takes them; Gradio copies the component for a visitor's session.
    """

    def __init__(self, models: Mapping[str, Classifier], **settings: Any) -> None:  # noqa: ANN401 - as Gradio's own
        self._rows = Rows(models)  # first, since Gradio's constructor reads every property
        super().__init__(
            next(iter(models)),
            html_template=(_STATIC / "worklist.html").read_text("utf-8"),
            css_template=(_STATIC / "worklist.css").read_text("utf-8"),
            js_on_load=_ON_LOAD,
            apply_default_css=False,
            elem_id="worklist",
            max_files=MAX_FILES,
            max_bytes=MAX_BYTES,
            extensions=sorted(EXTENSIONS),
            columns=list(WORKLIST_COLUMNS),
            **settings,
        )

    @property
    def routes(self) -> list[BaseRoute]:
        """What the page must serve for the worklist: the answers, and its code."""
        return [*self._rows.routes, code_of("worklist", _STATIC)]
