"""The page: upload, examples, the model's answer, the class to explain, and the viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from cxr_gradcam.bundled import example_files
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.web.controls import Controls, controls, possible, question_of, questions, quick
from cxr_gradcam.web.gallery import examples
from cxr_gradcam.web.prediction import EMPTY, answer_html, by_probability
from cxr_gradcam.web.session import Session, Superseded
from cxr_gradcam.web.viewer import view, viewer

_STATIC = Path(__file__).parent / "static"
_FONT = ["system-ui", "sans-serif"]
_HOUR = 3600

INTRODUCTION = """# What the model sees on a chest X-ray, and where
For research and teaching: this is not a medical device and must not guide the care of a patient."""

LAUNCH: dict[str, Any] = {
    # Fonts of the reader's own system: the page then asks no other server for anything.
    "theme": gr.themes.Default(primary_hue="sky", font=_FONT, font_mono=["monospace"]),
    "css_paths": _STATIC / "page.css",
    # Gradio hides what overflows, and nothing could stick; its own CSS cannot reach that element.
    "head": "<style>.gradio-container { overflow: clip !important }</style>",
    "js": (_STATIC / "paste.js").read_text("utf-8"),
    "max_file_size": "100mb",
    "footer_links": ["settings"],
    "state_session_capacity": 100,
    "ssr_mode": False,
    "run_history": False,
    "pwa": False,
}
"""How the page is launched. The server name is Gradio's own: this machine alone, unless
GRADIO_SERVER_NAME says otherwise, as it does on a Space."""


_PROGRESS = gr.Progress()
_ANALYSE: dict[str, Any] = {
    # One after the other: of two images that are opened quickly, the last one stays.
    "trigger_mode": "multiple",
    "concurrency_id": "analyse",
    "concurrency_limit": 1,
    "api_visibility": "private",
}
# Each question starts at once and ends the one before, which may still be at a slow map.
_QUESTION: dict[str, Any] = _ANALYSE | {"concurrency_id": "question", "concurrency_limit": 4}


def build_interface(model: ResNet50FineTuned, card: str = "") -> gr.Blocks:
    """Build the page around a model.

    Args:
        model: with Grad-CAM enabled; it is shared by all users and never changed.
        card: the model card in Markdown; left out where empty.

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
                asked = controls(model.class_names)
                gr.Markdown(scope(model), elem_id="scope")
            with gr.Column(scale=4, min_width=320, elem_id="view"):
                panels = viewer()
                if card:
                    with gr.Accordion("About this model", open=False, elem_id="card"):
                        gr.Markdown(card)
        _connect(model, upload, gallery, answer, asked, panels)
    return page


def scope(model: ResNet50FineTuned) -> str:
    """Say what the model knows, and so what it does not."""
    trained = f" It was trained on {model.trained_on}." if model.trained_on else ""
    return (
        f"The model knows {' and '.join(model.class_names)} on a frontal chest X-ray: other "
        f"findings go unseen.{trained} {_meaning(model)}"
    )


def _meaning(model: ResNet50FineTuned) -> str:
    """Say what the percentages and the verdict rest on."""
    if model.calibration.operating_point is None:
        return "Its percentages are not calibrated."
    return (
        "Percentages and *likely*, *uncertain*, *unlikely* were set on X-rays of the same origin; "
        "elsewhere they may mislead."
    )


def _connect(
    model: ResNet50FineTuned,
    upload: gr.File,
    gallery: gr.HTML,
    answer: gr.HTML,
    asked: Controls,
    panels: gr.HTML,
) -> None:
    def analyse(
        session: Session, _class: str, question: str, method: str, detail: str
    ) -> list[Any]:
        examination = session.examine(model)
        names = by_probability(examination.probabilities)
        question = possible(question, names, names[0])
        method = quick(method)  # the answer must not wait for a slow map
        explanation = examination.answer(question_of(names[0], question, method, detail))
        return [
            answer_html(explanation),
            gr.Radio(names, value=names[0], interactive=True),
            gr.Dropdown(questions(names, names[0]), value=question, interactive=True),
            method,
            view(session.radiograph, explanation, session.image_id),
        ]

    def change_class(
        session: Session | None, class_name: str, question: str, method: str, detail: str
    ) -> list[Any]:
        question = possible(question, model.class_names, class_name)
        choices = questions(model.class_names, class_name)
        return [
            gr.Dropdown(choices, value=question),
            change_map(session, class_name, question, quick(method), detail),
            quick(method),
        ]

    def change_map(
        session: Session | None,
        class_name: str,
        question: str,
        method: str,
        detail: str,
        progress: gr.Progress = _PROGRESS,
    ) -> Any:  # noqa: ANN401 - a message for the viewer, or Gradio's sign that there is none
        if session is None:
            raise gr.Error("The X-ray is no longer on the server: please drop it again.")
        check = session.new_question()

        def report(done: int, total: int) -> None:
            check()
            progress(done / total, desc=METHODS[method].label)

        asked_for = question_of(class_name, question, method, detail)
        try:
            explanation = session.examine(model).answer(asked_for, report)
            check()
        except Superseded:
            return gr.skip()
        return view(session.radiograph, explanation, session.image_id, same_image=True)

    session = gr.State(None, time_to_live=_HOUR)
    # Reading is a step of its own: when it fails, no mark falls on the view that is already there.
    read = upload.upload(
        take_upload, [upload, session], session, trigger_mode="multiple", api_visibility="private"
    )
    for ended in (read.success, read.failure):
        ended(None, None, upload, js="() => null")  # ready for the next file
    pick = gallery.select(
        take_example, session, session, trigger_mode="multiple", api_visibility="private"
    )
    for step in (read, pick):
        step.success(
            analyse,
            [session, *asked.all],
            [answer, asked.class_name, asked.question, asked.method, panels],
            **_ANALYSE,
        )
    choices = [session, *asked.all]
    outputs = [asked.question, panels, asked.method]
    asked.class_name.input(change_class, choices, outputs, **_QUESTION)
    for control in (asked.question, asked.method, asked.detail):
        control.input(change_map, choices, panels, **_QUESTION)


def take_upload(path: str, previous: Session | None = None) -> Session:
    """Read an uploaded file and remove it: nothing of it stays on disk.

    Args:
        path: the file.
        previous: what the visitor had open; its questions need no answer any more.

    Raises:
        gr.Error: the file is no radiograph that can be read; it says why.
    """
    try:
        session = Session(read_radiograph(path))
    except RadiographError as error:
        raise gr.Error(
            f"This file cannot be shown. {error}", duration=None, print_exception=False
        ) from error
    finally:
        Path(path).unlink(missing_ok=True)
    if previous is not None:
        previous.new_question()
    return session


def take_example(previous: Session | None, chosen: gr.SelectData) -> Session:
    """Read the example that was clicked last; clicks may arrive in another order."""
    if previous is not None and chosen.value < previous.clicked:
        return previous
    if previous is not None:
        previous.new_question()
    return Session(read_radiograph(example_files()[chosen.index]), clicked=chosen.value)
