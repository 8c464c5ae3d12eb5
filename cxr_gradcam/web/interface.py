"""The page: upload, examples, the model's answer, the class to explain, and the viewer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import gradio as gr

from cxr_gradcam.explanation import explain
from cxr_gradcam.radiograph import Radiograph, RadiographError, read_radiograph
from cxr_gradcam.resnet50 import ResNet50FineTuned
from cxr_gradcam.web.answer import EMPTY, answer_html, by_probability
from cxr_gradcam.web.examples import example_files, examples
from cxr_gradcam.web.viewer import view, viewer

_HERE = Path(__file__).parent
_FONT = ["system-ui", "sans-serif"]
_HOUR = 3600

INTRODUCTION = """# What the model sees on a chest X-ray, and where
For research and teaching: this is not a medical device and must not guide the care of a patient."""

LAUNCH: dict[str, Any] = {
    # Fonts of the reader's own system: the page then asks no other server for anything.
    "theme": gr.themes.Default(primary_hue="sky", font=_FONT, font_mono=["monospace"]),
    "css_paths": _HERE / "page.css",
    "js": (_HERE / "paste.js").read_text("utf-8"),
    "max_file_size": "100mb",
    "footer_links": ["settings"],
    "state_session_capacity": 100,
    "ssr_mode": False,
    "run_history": False,
    "pwa": False,
}
"""How the page is launched. The server name is Gradio's own: this machine alone, unless
GRADIO_SERVER_NAME says otherwise, as it does on a Space."""


def build_interface(model: ResNet50FineTuned) -> gr.Blocks:
    """Build the page around a model.

    Args:
        model: with Grad-CAM enabled; it is shared by all users and never changed.

    Returns:
        The page, to be launched with `LAUNCH`.
    """
    page = gr.Blocks(
        title="Chest X-ray viewer",
        analytics_enabled=False,
        delete_cache=(_HOUR, _HOUR),
        fill_width=True,
    )
    with page:
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                upload = gr.File(label="Drop or paste a chest X-ray", height=150, elem_id="upload")
                gallery = examples()
                answer = gr.HTML(EMPTY, elem_id="answer", container=True, padding=True)
                chosen = gr.Radio(
                    list(model.class_names), label="Show the evidence for", interactive=False
                )
                gr.Markdown(scope(model), elem_id="scope")
            with gr.Column(scale=4, min_width=320):
                panels = viewer()
        _connect(model, upload, gallery, answer, chosen, panels)
    return page


def scope(model: ResNet50FineTuned) -> str:
    """Say what the model knows, and so what it does not."""
    trained = f" It was trained on {model.trained_on}." if model.trained_on else ""
    return (
        f"The model knows {' and '.join(model.class_names)} on a frontal chest X-ray: other "
        f"findings go unseen.{trained} Its percentages are not calibrated."
    )


def _connect(
    model: ResNet50FineTuned,
    upload: gr.File,
    gallery: gr.HTML,
    answer: gr.HTML,
    chosen: gr.Radio,
    panels: gr.HTML,
) -> None:
    def analyse(opened: Opened) -> list[Any]:
        explanation = explain(model, opened.radiograph)
        return [
            answer_html(explanation),
            gr.Radio(by_probability(explanation), value=explanation.class_name, interactive=True),
            view(opened.radiograph, explanation, opened.image_id),
        ]

    def change_class(opened: Opened | None, class_name: str) -> dict[str, Any]:
        if opened is None:
            raise gr.Error("The X-ray is no longer on the server: please drop it again.")
        explanation = explain(model, opened.radiograph, class_name)
        return view(opened.radiograph, explanation, opened.image_id, same_image=True)

    opened = gr.State(None, time_to_live=_HOUR)
    # Reading is a step of its own: when it fails, no mark falls on the view that is already there.
    read = upload.upload(
        take_upload, upload, opened, trigger_mode="multiple", api_visibility="private"
    )
    for ended in (read.success, read.failure):
        ended(None, None, upload, js="() => null")  # ready for the next file
    pick = gallery.select(
        take_example, None, opened, trigger_mode="multiple", api_visibility="private"
    )
    for step in (read, pick):
        step.success(
            analyse,
            opened,
            [answer, chosen, panels],
            trigger_mode="multiple",
            concurrency_id="model",
            api_visibility="private",
        )
    chosen.input(
        change_class,
        [opened, chosen],
        panels,
        trigger_mode="always_last",
        concurrency_id="model",
        api_visibility="private",
    )


@dataclass(frozen=True)
class Opened:
    """The radiograph that a visitor has open, under a name that says nothing about it."""

    radiograph: Radiograph
    image_id: str = field(default_factory=lambda: uuid4().hex)


def take_upload(path: str) -> Opened:
    """Read an uploaded file and remove it: nothing of it stays on disk.

    Raises:
        gr.Error: the file is no radiograph that can be read; it says why.
    """
    try:
        return Opened(read_radiograph(path))
    except RadiographError as error:
        raise gr.Error(
            f"This file cannot be shown. {error}", duration=None, print_exception=False
        ) from error
    finally:
        Path(path).unlink(missing_ok=True)


def take_example(chosen: gr.SelectData) -> Opened:
    """Read the example that was chosen."""
    return Opened(read_radiograph(example_files()[chosen.index]))
