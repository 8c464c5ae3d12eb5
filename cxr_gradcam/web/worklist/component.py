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
"""The greatest number of files in a worklist."""

# Gradio runs this text when the component loads; the code itself comes as modules.
_ON_LOAD = """
import(new URL("worklist/main.js", document.baseURI)).then(({ start }) => {
  start(element, props, watch, trigger);
});
"""


class Worklist(gr.HTML, metaclass=OwnComponent):
    """The list; the browser keeps the files, their names and their order.

    It is filled by several files, a folder or a ZIP archive that a visitor drops on the page or
    chooses in the upload field; a single file is opened by the upload field. When a row is opened,
    the select event carries its upload.

    Its value is the name of the current model.

    Args:
        models: the models by name, the first as default; with Grad-CAM enabled.
        settings: arguments for `gr.HTML`, which Gradio copies for a visitor's session.
    """

    def __init__(self, models: Mapping[str, Classifier], **settings: Any) -> None:  # noqa: ANN401 - as in Gradio
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
        """The routes that the page must serve for the worklist: the answers, and its code."""
        return [*self._rows.routes, code_of("worklist", _STATIC)]
