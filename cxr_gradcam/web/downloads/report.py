"""Download of a report: the panels as the reader sees them, and the model's answer."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image
from starlette.routing import BaseRoute

from cxr_gradcam.explanation import Explanation
from cxr_gradcam.explanation.display import DISPLAY_FIELDS, Display
from cxr_gradcam.imaging.radiograph import MAX_PIXELS, RadiographError
from cxr_gradcam.imaging.rendering import RGBImage
from cxr_gradcam.imaging.stored_values import AS_SEEN
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.report.contents import Panels, Report
from cxr_gradcam.report.model import ReportedModel
from cxr_gradcam.report.pdf import PAPERS, panel_width, write_pdf
from cxr_gradcam.web.api.requests import MAX_BODY
from cxr_gradcam.web.component import code_of
from cxr_gradcam.web.expiring_store import ExpiringStore
from cxr_gradcam.web.sent_once import Content, SentOnce, download

_STATIC = Path(__file__).parents[1] / "static" / "report"
# In characters; the rest of a request is for the controls and for escaping this text's quotes
_MAX_FORM = int(0.9 * MAX_BODY)
_MAX_LABEL = 100
_BLANK = np.zeros((1, 1, 3), np.uint8)

_ASK = """async (_, ...inputs) => {{
  const {{ askForReport }} = await import(new URL("report/main.js", document.baseURI));
  return [await askForReport({widths}, {longest}), ...inputs];
}}"""


class ReportDownload:
    """The button that makes a report, and the route that sends it.

    Args:
        models: models by their names on the page.
    """

    def __init__(self, models: Mapping[str, Classifier]) -> None:
        self._models, self._downloads = models, SentOnce("reports")
        self.button = gr.Button("Save a report …", elem_id="report", size="sm")
        self.form = gr.Textbox(visible=False)
        self.name = gr.Textbox(visible=False)
        widths = json.dumps({paper: panel_width(paper) for paper in PAPERS})
        self._ask = _ASK.format(widths=widths, longest=_MAX_FORM)

    @property
    def store(self) -> ExpiringStore[Content]:
        """The files that wait to be fetched."""
        return self._downloads.store

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes that the page must serve for the button."""
        return [*self._downloads.routes, code_of("report", _STATIC)]

    def connect(
        self, put: Callable[..., str], asked: Sequence[Any], settings: Mapping[str, Any]
    ) -> None:
        """Connect the button: a form for the reader, the server makes the report, a download."""
        made = self.button.click(
            put,
            [self.form, *asked],
            self.name,
            js=self._ask,
            show_progress_on=self.button,
            **settings,
        )
        self._downloads.fetch_after(made, self.name)

    def put(self, form: str, model: str, explanation: Explanation) -> str:
        """Make a report, and return the name for fetching it.

        Args:
            form: the filled form and the panels as JSON, as `static/report/main.js` returns them.
            model: the model's name on the page.
            explanation: the displayed explanation.

        Raises:
            ValueError: the form is too large, or has values that the page does not offer.
        """
        if len(form) > _MAX_FORM:
            raise RadiographError(
                "The pictures are too large for a report. Make the window smaller, and try again."
            )
        filled = json.loads(form)
        title, remark, paper = (str(filled[name]) for name in ("title", "remark", "paper"))
        panels = _panels(filled["settings"], filled["panels"])
        report = Report(
            explanation,
            ReportedModel.of_model(self._models[model]),
            panels,
            title,
            remark.replace("\r", ""),
        )
        if paper == "json":
            text = json.dumps(report.as_json(), ensure_ascii=False, indent=2)
            return self._downloads.put(download(text.encode(), "report.json", "application/json"))
        pdf = write_pdf(report, paper)
        return self._downloads.put(download(pdf, "report.pdf", "application/pdf"))


def _panels(settings: Mapping[str, Any], pictures: Mapping[str, str] | None) -> Panels:
    original, heatmap, overlay = (
        _BLANK if pictures is None else _picture(pictures[panel])
        for panel in ("original", "heat-map", "overlay")
    )
    window = _window(settings.get("window") or {})
    return Panels(original, heatmap, overlay, window, _display(settings))


def _display(settings: Mapping[str, Any]) -> Display:
    """Return the viewer's display; the viewer gives fractions in per cent."""
    values: dict[str, Any] = {field.name: settings.get(field.name) for field in DISPLAY_FIELDS}
    for field in DISPLAY_FIELDS:
        if values[field.name] is None:
            values[field.name] = field.default
        elif field.kind is float:
            values[field.name] = _share(values[field.name])
    return Display(**values)


def _share(percentage: object) -> float:
    if isinstance(percentage, int | float):
        return percentage / 100
    raise ValueError(f"{str(percentage)[:_MAX_LABEL]} is no percentage: 0 to 100")


def _window(window: Mapping[str, Any]) -> str:
    """Name the grey scale; low and high are fractions of the range that the model saw."""
    inverted = ", inverted" if window.get("inverted") is True else ""
    low, high = window.get("low"), window.get("high")
    if isinstance(low, int | float) and isinstance(high, int | float) and isfinite(low + high):
        return f"From {100 * low:.0f} to {100 * high:.0f} % of what the model saw{inverted}"
    return str(window.get("preset") or AS_SEEN)[:_MAX_LABEL] + inverted


def _picture(encoded: str) -> RGBImage:
    with Image.open(BytesIO(b64decode(encoded, validate=True)), formats=["PNG"]) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"A panel has more than {MAX_PIXELS:,} pixels.")
        return np.asarray(image.convert("RGB"))
