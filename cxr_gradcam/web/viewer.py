"""The three-panel viewer: a Gradio component, and the message that fills it."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.imaging.rendering import COLORMAPS, color_table, quantize
from cxr_gradcam.web.prediction import percentage

_STATIC = Path(__file__).parent / "static"


def viewer() -> gr.HTML:
    """Make the component: original, heat map and overlay; opacity and colours are the browser's."""
    return gr.HTML(
        html_template=(_STATIC / "viewer.html").read_text("utf-8"),
        css_template=(_STATIC / "viewer.css").read_text("utf-8"),
        js_on_load=(_STATIC / "viewer.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id="viewer",
        tables={name: _base64(color_table(name).tobytes()) for name in COLORMAPS},
    )


def view(
    radiograph: Radiograph, explanation: Explanation, image_id: str, *, same_image: bool = False
) -> dict[str, Any]:
    """Give the message that makes the viewer show an explanation.

    Args:
        radiograph: the explained picture.
        explanation: its explanation.
        image_id: names the picture, so that no map is ever drawn over another one.
        same_image: the viewer shows this picture already, and it need not be sent again.

    Returns:
        The component's value: 8-bit grey PNGs in base64, and the words beside them.
    """
    return {
        "image_id": image_id,
        "original": None if same_image else _png(quantize(radiograph.pixels)),
        "heatmap": _png(quantize(explanation.heatmap)),
        "shown": what_is_shown(explanation),
        "file_name": file_name(explanation),
        "hottest": hottest_region(explanation),
        "note": _note(explanation),
    }


def hottest_region(explanation: Explanation) -> str:
    """Say in words where on the picture the map is strongest."""
    if explanation.is_empty:
        return "empty"
    heatmap = explanation.heatmap
    row, column = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    vertical = ("upper", "middle", "lower")[3 * int(row) // heatmap.shape[0]]
    horizontal = ("image left", "centre", "image right")[3 * int(column) // heatmap.shape[1]]
    return f"strongest in the {vertical} third, {horizontal}"


def what_is_shown(explanation: Explanation) -> str:
    """Name the map: the evidence it shows, or what it shows instead."""
    if METHODS[explanation.method].needs_class:
        return f"evidence {explanation.question}"
    return "strongest pattern that the model sees, whatever the class"


def file_name(explanation: Explanation) -> str:
    """Name a download after what the map shows; nothing in it is of the patient."""
    layers = [layer.split(".")[1] for layer in explanation.layers]
    words = [explanation.method, *layers]
    if METHODS[explanation.method].needs_class:
        words.insert(0, str(explanation.question).removeprefix("for "))
    return "-".join(words).lower()


def _note(explanation: Explanation) -> str:
    if explanation.is_empty:
        return f"The model found nothing that speaks {explanation.question}: the map is empty."
    shown = what_is_shown(explanation)
    return (
        f"{shown[0].upper()}{shown[1:]}{_share(explanation)}, {hottest_region(explanation)}. "
        "The colours show where the model looked, not where the disease is."
    )


def _share(explanation: Explanation) -> str:
    if not METHODS[explanation.method].needs_class:
        return ""
    name = explanation.class_name
    share = percentage(explanation.probabilities[name])
    return f" ({share})" if str(explanation.question) == f"for {name}" else f" ({name}: {share})"


def _png(grey: NDArray[np.uint8]) -> str:
    # Level 1: the size barely grows, and a large radiograph is packed in tens of milliseconds.
    _, data = cv2.imencode(".png", grey, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return _base64(data.tobytes())


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
