"""The page: upload, examples, the model's answer, the class to explain, and the viewer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        radiograph = gr.State(None, time_to_live=_HOUR)
        gr.Markdown(INTRODUCTION)
        with gr.Row(elem_id="columns"):
            with gr.Column(scale=1, min_width=280):
                upload = gr.File(
                    label="Drop or paste a chest X-ray",
                    height=150,
                    elem_id="upload",
                )
                gallery = examples()
                answer = gr.HTML(EMPTY, elem_id="answer", container=True, padding=True)
                chosen = gr.Radio(
                    list(model.class_names), label="Show the evidence for", interactive=False
                )
            with gr.Column(scale=4, min_width=320):
                panels = viewer()
        results = [answer, chosen, panels]
        analyse, change_class = _handlers(model)
        # One after the other: reading fails without a mark on the view that is already there.
        read = upload.upload(
            take_upload, upload, radiograph, trigger_mode="once", api_visibility="private"
        )
        for ended in (read.success, read.failure):
            ended(None, None, upload, js="() => null")  # ready for the next file
        pick = gallery.select(
            take_example, None, radiograph, trigger_mode="once", api_visibility="private"
        )
        for step in (read, pick):
            step.success(
                analyse, radiograph, results, concurrency_id="model", api_visibility="private"
            )
        chosen.input(
            change_class,
            [radiograph, chosen],
            panels,
            trigger_mode="always_last",
            concurrency_id="model",
            api_visibility="private",
        )
    return page


def take_upload(path: str) -> Radiograph:
    """Read an uploaded file and remove it: nothing of it stays on disk.

    Raises:
        gr.Error: the file is no radiograph that can be read; it says why.
    """
    try:
        return read_radiograph(path)
    except RadiographError as error:
        raise gr.Error(
            f"This file cannot be shown. {error}", duration=None, print_exception=False
        ) from error
    finally:
        Path(path).unlink(missing_ok=True)


def take_example(chosen: gr.SelectData) -> Radiograph:
    """Read the example that was chosen in the gallery."""
    return read_radiograph(example_files()[chosen.index])


def _handlers(
    model: ResNet50FineTuned,
) -> tuple[Callable[[Radiograph], list[Any]], Callable[[Radiograph | None, str], dict[str, Any]]]:
    def analyse(radiograph: Radiograph) -> list[Any]:
        explanation = explain(model, radiograph)
        return [
            answer_html(explanation),
            gr.Radio(by_probability(explanation), value=explanation.class_name, interactive=True),
            view(radiograph, explanation),
        ]

    def change_class(radiograph: Radiograph | None, class_name: str) -> dict[str, Any]:
        if radiograph is None:
            raise gr.Error("The X-ray was removed after an hour: please drop it again.")
        return view(radiograph, explain(model, radiograph, class_name), same_image=True)

    return analyse, change_class
