"""The three-panel viewer: original, heat map and overlay."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import gradio as gr
import numpy as np
from starlette.routing import BaseRoute

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.imaging.rendering import (
    COLOR_BLIND_SAFE,
    COLORMAPS,
    PERCEPTUAL,
    color_table,
)
from cxr_gradcam.imaging.stored_values import AS_SEEN, StoredValues, Window
from cxr_gradcam.web.component import OwnComponent, code_of
from cxr_gradcam.web.expiring_store import ExpiringStore
from cxr_gradcam.web.sent_once import Content, PixelStore

_STATIC = Path(__file__).parent / "static"

# Gradio runs this text when the component loads; the code itself comes as modules.
_ON_LOAD = """
import(new URL("viewer/main.js", document.baseURI)).then(({ start }) => {
  start(element, props, watch, trigger);
});
"""


@dataclass(frozen=True, eq=False)
class View:
    """The content of the viewer: nothing, a picture, or a picture with a map.

    Attributes:
        image_id: identifier of the picture, so that a map is never drawn over another picture; ""
            for nothing.
        stored: the picture; None if the viewer already has it.
        explanation: the explanation with the picture's map; None while there is none.
        note: the text beside the panels; None for the text of the explanation.
        pane: "a", or "b" for a second picture beside the first.
        caption: the caption of the second picture.
        beside: the view of the other pane; None leaves it unchanged.
        same_picture: whether the second picture is the first one with another map.
        first_caption: the caption of the first picture while the second one is shown.
        link: the query string for the same map.
        refused: why a file cannot be shown; then the open picture stays, and other attributes are
            ignored.
    """

    image_id: str = ""
    stored: StoredValues | None = None
    explanation: Explanation | None = None
    note: str | None = None
    pane: Literal["a", "b"] = "a"
    caption: str = ""
    beside: View | None = None
    same_picture: bool = False
    first_caption: str = ""
    link: str = ""
    refused: str = ""


class Viewer(gr.HTML, metaclass=OwnComponent):
    """The panels; the browser controls window, zoom, opacity and colours.

    Args:
        pixels: the store from which the browser fetches pixels.
        settings: arguments for `gr.HTML`, which Gradio copies for a visitor's session.
    """

    def __init__(self, pixels: PixelStore, **settings: Any) -> None:  # noqa: ANN401 - as in Gradio
        self._pixels = pixels  # first, since Gradio's constructor reads every property
        super().__init__(
            html_template=(_STATIC / "viewer.html").read_text("utf-8"),
            css_template=(_STATIC / "viewer.css").read_text("utf-8"),
            js_on_load=_ON_LOAD,
            apply_default_css=False,
            elem_id="viewer",
            colormaps={name: _colormap(name) for name in COLORMAPS},
            **settings,
        )

    @property
    def store(self) -> ExpiringStore[Content]:
        """The pixels that wait to be fetched."""
        return self._pixels.store

    @property
    def routes(self) -> list[BaseRoute]:
        """The routes that the page must serve for the viewer: its code, and the pixels."""
        return [code_of("viewer", _STATIC / "viewer"), *self._pixels.routes]

    def postprocess(self, value: View | None) -> dict[str, Any] | None:  # type: ignore[override]
        """Return the message that makes the browser show a view."""
        if value is None:
            return None
        if value.refused:
            return {"refused": value.refused, "nonce": uuid4().hex}  # so repeated words are shown
        stored, explanation = value.stored, value.explanation
        message = {
            "image_id": value.image_id,
            "original": None if stored is None else self._announced(stored),
            "heatmap": None,
            "note": value.note,
            "pane": value.pane,
            "caption": value.caption,
            "same_picture": value.same_picture,
            "first_caption": value.first_caption,
            "link": value.link,
        }
        if value.beside is not None:
            message["beside"] = self.postprocess(value.beside)
        return message if explanation is None else message | self._described(explanation)

    def _announced(self, stored: StoredValues) -> dict[str, Any]:
        return self._pixels.announce(stored.values) | {
            "slope": stored.slope,
            "offset": stored.offset,
            "inverted": stored.is_inverted,
            "padding": stored.padding,
            "windows": [_window(window) for window in stored.windows],
            "spacing": None if stored.spacing is None else asdict(stored.spacing),
            "orientation": stored.orientation,
        }

    def _described(self, explanation: Explanation) -> dict[str, Any]:
        return {
            "heatmap": self._pixels.announce(quantize(explanation.heatmap)),
            "shown": what_is_shown(explanation),
            "file_name": file_name(explanation),
            "hottest": explanation.hottest_region,
            "note": note(explanation),
            "peak": explanation.peak,
            "scale": _scale(explanation),
            "lungs": _outlines(explanation),
        }


def _outlines(explanation: Explanation) -> list[list[list[float]]]:
    """Return the outlines of plausible lungs, as fractions of the picture's sides."""
    lungs = explanation.lungs
    if lungs is None or not lungs.is_plausible:
        return []
    return [np.round(outline, 4).tolist() for outline in lungs.outlines]


def _scale(explanation: Explanation) -> str:
    """Name the unit of a map's peak; "" if peaks of two maps cannot be compared."""
    is_gradient = METHODS[explanation.method].kind == "gradient"
    layers = explanation.layers
    return f"{explanation.method} {layers[0]}" if is_gradient and len(layers) == 1 else ""


def what_is_shown(explanation: Explanation) -> str:
    """Describe the map: its evidence, or its content if it shows no evidence."""
    if METHODS[explanation.method].needs_class:
        return f"evidence {explanation.question}"
    return "strongest pattern that the model sees, whatever the class"


def file_name(explanation: Explanation) -> str:
    """Return a download's name, which describes the map; it contains no patient data."""
    layers = [layer.removeprefix("resnet50.").split(".")[0] for layer in explanation.layers]
    words = [explanation.method, *layers]
    if METHODS[explanation.method].needs_class:
        words.insert(0, str(explanation.question).removeprefix("for "))
    return "-".join(words).lower()


def note(explanation: Explanation) -> str:
    """Describe where the map is strongest, and the limits of what it shows."""
    if explanation.is_empty:
        return f"The model found nothing that speaks {explanation.question}: the map is empty."
    shown = what_is_shown(explanation)
    return (
        f"{shown[0].upper()}{shown[1:]}: {explanation.hottest_region}. "
        "The colours show where the model looked, not where the disease is."
    )


def _colormap(name: str) -> dict[str, Any]:
    return {
        "table": _base64(color_table(name).tobytes()),
        "perceptual": name in PERCEPTUAL,
        "safe": name == COLOR_BLIND_SAFE,
    }


def _window(window: Window) -> dict[str, Any]:
    """Describe a window; the one that the model saw has a shorter name on the page."""
    name = window.label.replace(AS_SEEN, "Model input")
    ends = {"label": window.label, "name": name, "low": window.low, "high": window.high}
    return ends if window.greys is None else ends | {"greys": _base64(window.greys.tobytes())}


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
