"""What happens when a visitor opens a radiograph or asks something else of it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import gradio as gr

from cxr_gradcam.bundled import example_files
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation import Explanation, examine
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.imaging.reading import read_for_viewing
from cxr_gradcam.imaging.stored_image import StoredImage
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.models.stages import DETAIL
from cxr_gradcam.web.controls import Asked, Controls, quick
from cxr_gradcam.web.prediction import (
    WAITING,
    by_probability,
    failure_html,
    prediction_html,
)
from cxr_gradcam.web.session import Session, Superseded
from cxr_gradcam.web.viewer import View

_LOG = logging.getLogger(__name__)
_PROGRESS = gr.Progress()
_UNEXPECTED = (
    "This X-ray could not be analysed: something went wrong on the server. "
    "Try again; if it happens again, save the X-ray as PNG and try that."
)
_GONE = "The X-ray is no longer on the server: please open it again."

Values = tuple[str, int, str, str]
"""The controls' values."""


class Events:
    """The handlers of a page; nothing of a visitor is kept here.

    Args:
        model: with Grad-CAM enabled; it is shared by all visitors and never changed.
        controls: what can be asked.
    """

    def __init__(self, model: ResNet50FineTuned, controls: Controls) -> None:
        self._model, self._controls = model, controls

    def open_upload(
        self, path: Path | None, previous: Session | None, *values: *Values
    ) -> Iterator[list[Any]]:
        """Show an uploaded file; nothing of it stays on disk."""
        if path is None:
            return
        try:
            yield from self._open(lambda: read_for_viewing(path), 0, previous, values)
        finally:
            path.unlink(missing_ok=True)

    def open_example(
        self, chosen: gr.SelectData, previous: Session | None, *values: *Values
    ) -> Iterator[list[Any]]:
        """Show the example that was clicked last; clicks may arrive in another order."""
        if previous is not None and chosen.value < previous.clicked:
            return
        path = example_files()[chosen.index]
        yield from self._open(lambda: read_for_viewing(path), chosen.value, previous, values)

    def change_class(self, session: Session | None, *values: *Values) -> list[Any]:
        """Show the map of another class, and offer its questions."""
        class_name, number, method, detail = values
        asked = self._controls.asked(class_name, number, quick(method), detail)
        return [
            self._controls.question_for(asked),
            self._answer(session, asked, _no_progress),
            asked.method,
        ]

    def change_map(
        self,
        session: Session | None,
        class_name: str,
        number: int,
        method: str,
        detail: str,
        progress: gr.Progress = _PROGRESS,
    ) -> Any:  # noqa: ANN401 - a view, or Gradio's sign that there is none
        """Answer another question, by another method or in another detail."""
        asked = self._controls.asked(class_name, number, method, detail)
        return self._answer(session, asked, progress)

    def _open(
        self,
        read: Callable[[], tuple[Radiograph, StoredImage]],
        clicked: float,
        previous: Session | None,
        values: Values,
    ) -> Iterator[list[Any]]:
        """Show the picture at once, then the prediction and its map."""
        if previous is not None:
            previous.cancel()
        image_id = uuid4().hex
        try:
            radiograph, stored = read()
            yield [None, WAITING, *self._locked(), View(image_id, stored)]
            examination = examine(self._model, radiograph, DETAIL["finest"])
            session = Session(examination, image_id, clicked)
            yield self._predicted(session, values)
        except Exception as error:  # whatever it is, the last picture must go
            yield [None, failure_html(_reason(error)), *self._locked(), View(note="")]

    def _predicted(self, session: Session, values: Values) -> list[Any]:
        _, number, method, detail = values
        names = by_probability(session.examination.probabilities)
        # The prediction must not wait for a slow map.
        asked = self._controls.asked(names[0], number, quick(method), detail)
        explanation = session.examination.answer(asked.question)
        return [
            session,
            prediction_html(explanation),
            gr.Radio(names, value=names[0], interactive=True),
            self._controls.question_for(asked),
            asked.method,
            View(session.image_id, explanation=explanation),
        ]

    def _locked(self) -> list[Any]:
        """Return the updates of class, question and method while there is nothing to ask."""
        return [gr.Radio(value=None, interactive=False), gr.Dropdown(interactive=False), gr.skip()]

    def _answer(self, session: Session | None, asked: Asked, progress: Callable[..., Any]) -> Any:  # noqa: ANN401 - as in `change_map`
        if session is None:
            raise gr.Error(_GONE, print_exception=False)
        try:
            explanation = self._explain(session, asked, progress)
        except Superseded:
            return gr.skip()
        except Exception as error:  # the map of the last question must go
            return View(session.image_id, note=_reason(error))
        return View(session.image_id, explanation=explanation)

    def _explain(self, session: Session, asked: Asked, progress: Callable[..., Any]) -> Explanation:
        check = session.new_question()

        def report(done: int, total: int) -> None:
            check()
            progress(done / total, desc=METHODS[asked.method].label)

        explanation = session.examination.answer(asked.question, report)
        check()
        return explanation


def _reason(error: Exception) -> str:
    """Say to the visitor what went wrong; log where, but no words: they may be a patient's."""
    if isinstance(error, RadiographError):
        return f"This file cannot be shown. {error}"
    trace = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("%s in a visitor's event\n%s", type(error).__name__, trace)
    return _UNEXPECTED


def _no_progress(_share: float, desc: str) -> None:
    """Quick methods need none."""
