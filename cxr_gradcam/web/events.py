"""What happens when a visitor opens a radiograph or asks something else of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import gradio as gr

from cxr_gradcam.bundled import example_files
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.imaging.reading import read_bytes, read_for_viewing
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.about import scope
from cxr_gradcam.web.asked import Asked, Evidence, quick
from cxr_gradcam.web.controls import Controls, Values, about_class
from cxr_gradcam.web.downloads.dicom import Film
from cxr_gradcam.web.failures import GONE, reason
from cxr_gradcam.web.prediction import (
    EMPTY,
    WAITING,
    by_probability,
    failure_html,
    prediction_html,
)
from cxr_gradcam.web.session import Session, Superseded
from cxr_gradcam.web.uploads import Uploads
from cxr_gradcam.web.viewer import View
from cxr_gradcam.web.worklist.prior import CAPTION, prior_html

_PROGRESS = gr.Progress()


class Events:
    """The handlers of a page; nothing of a visitor is kept here.

    Args:
        models: by name, with Grad-CAM enabled; they are shared by all visitors and never changed.
        controls: what can be asked.
        cards: the models' cards in Markdown, by the models' names.
        uploads: where the files of a worklist wait.
    """

    def __init__(
        self,
        models: Mapping[str, Classifier],
        controls: Controls,
        cards: Mapping[str, str] | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        self._models, self._controls, self._cards = models, controls, cards or {}
        self._uploads = uploads or Uploads()

    def open_upload(
        self, path: Path | None, previous: Session | None, *values: *Values
    ) -> Iterator[list[Any]]:
        """Show an uploaded file; nothing of it stays on disk."""
        if path is None:
            return
        try:
            yield from self._open(path, 0, previous, values)
        finally:
            path.unlink(missing_ok=True)

    def open_listed(
        self, chosen: gr.EventData, previous: Session | None, *values: *Values
    ) -> Iterator[list[Any]]:
        """Show a file of the worklist, which the browser has sent before it names it."""
        path = self._uploads.take(str(chosen.path))
        if path is None:
            raise gr.Error(GONE, print_exception=False)
        yield from self.open_upload(path, previous, *values)

    def open_example(
        self, chosen: gr.SelectData, previous: Session | None, *values: *Values
    ) -> Iterator[list[Any]]:
        """Show the example that was clicked last; clicks may arrive in another order."""
        if previous is not None and chosen.value < previous.clicked:
            return
        yield from self._open(example_files()[chosen.index], chosen.value, previous, values)

    def open_prior(
        self, chosen: gr.EventData, session: Session | None, *values: *Values
    ) -> list[Any]:
        """Show a file beside the open radiograph, and ask the same of it."""
        path = self._uploads.take(str(chosen.path))
        if path is None or session is None:
            raise gr.Error(GONE, print_exception=False)
        try:
            return self._put_beside(path, session, self._controls.asked(*values))
        except Exception as error:
            raise gr.Error(reason(error), print_exception=False) from error
        finally:
            path.unlink(missing_ok=True)

    def describe_prior(self, session: Session | None, *values: *Values) -> Any:  # noqa: ANN401 - HTML, or Gradio's sign that there is none
        """Say what the model that is asked now makes of the prior."""
        if session is None or session.prior is None:
            return gr.skip()
        asked = self._controls.asked(*values)
        return prior_html(session.prior.examination(asked.model).prediction)

    def close_prior(self, session: Session | None) -> list[Any]:
        """Take the prior away."""
        if session is not None:
            session.prior = None
        return ["", View(slot="b")]

    def change_model(self, session: Session | None, *values: *Values) -> Iterator[list[Any]]:
        """Say what another model knows, and what it makes of the open radiograph."""
        asked = self._controls.asked(*values)
        if asked.evidence.contrast_with is not None:  # its number was of the model before
            asked = replace(asked, evidence=Evidence())
        about = [self._controls.details(asked), *self._about(asked.model)]
        if session is None:
            yield [EMPTY, self._unasked(asked), gr.skip(), gr.skip(), gr.skip(), *about]
            return
        session.cancel()
        yield [WAITING, *self._locked(), _without_map(session), *about]
        try:
            yield [*self._answered(session, asked), *about]
        except Exception as error:
            failed = _without_map(session, "")
            yield [failure_html(reason(error)), *self._locked(), failed, *about]

    def change_class(self, session: Session | None, *values: *Values) -> list[Any]:
        """Show the map of another class, and offer its questions."""
        asked = self._controls.asked(*values)
        asked = replace(asked, method=quick(asked.method))
        view = self._answer(session, asked, _no_progress)
        offered = gr.skip() if asked.class_name is None else self._controls.questions(asked)
        return [offered, view, asked.method]

    def change_map(
        self,
        session: Session | None,
        model: str,
        class_name: str | None,
        number: int | None,
        method: str,
        detail: str,
        progress: gr.Progress = _PROGRESS,
    ) -> Any:  # noqa: ANN401 - a view, or Gradio's sign that there is none
        """Answer another question, by another method or in another detail."""
        asked = self._controls.asked(model, class_name, number, method, detail)
        return self._answer(session, asked, progress)

    def _open(
        self,
        path: Path,
        clicked: float,
        previous: Session | None,
        values: Values,
    ) -> Iterator[list[Any]]:
        """Show the picture at once, then the prediction and its map."""
        if previous is not None:
            previous.cancel()
        image_id = uuid4().hex
        try:
            data = read_bytes(path)
            radiograph, stored = read_for_viewing(data)
            yield [None, WAITING, *self._locked(), View(image_id, stored)]
            film = Film.of(data, radiograph)
            session = Session.of(self._models, radiograph, image_id, clicked, film)
            asked = replace(self._controls.asked(*values), class_name=None)
            yield [session, *self._answered(session, asked)]
        except Exception as error:
            yield [None, failure_html(reason(error)), *self._locked(), View(note="")]

    def _answered(self, session: Session, asked: Asked) -> list[Any]:
        """Return the prediction, class, question, method and map of a radiograph just opened."""
        examination = session.examination(asked.model)
        names = by_probability(examination.probabilities)
        # The prediction must not wait for a slow map.
        asked = about_class(
            replace(asked, method=quick(asked.method)), asked.class_name or names[0]
        )
        explanation = _explained(session, asked)
        return [
            prediction_html(explanation),
            self._controls.classes(asked, names),
            self._controls.questions(asked),
            asked.method,
            _view(session, asked, explanation),
        ]

    def _put_beside(self, path: Path, session: Session, asked: Asked) -> list[Any]:
        radiograph, stored = read_for_viewing(path)
        prior = Session.of(self._models, radiograph, uuid4().hex)
        explanation = _explained(prior, replace(asked, method=quick(asked.method)))
        session.prior = prior
        view = View(prior.image_id, stored, explanation, slot="b", caption=CAPTION)
        return [prior_html(explanation.prediction), view]

    def _about(self, model: str) -> list[Any]:
        """Return what is said of a model: its scope, and its card where there is one."""
        card = self._cards.get(model, "")
        return [scope(self._models[model]), gr.Accordion(visible=bool(card)), card]

    def _unasked(self, asked: Asked) -> gr.Radio | gr.Dropdown:
        names = self._models[asked.model].class_names
        return type(self._controls.class_name)(list(names), value=None, interactive=False)

    def _locked(self) -> list[Any]:
        """Return the updates of class, question and method while there is nothing to ask."""
        return [*self._controls.locked(), gr.skip()]

    def _answer(self, session: Session | None, asked: Asked, progress: Callable[..., Any]) -> Any:  # noqa: ANN401 - as in `change_map`
        if session is None:
            raise gr.Error(GONE, print_exception=False)
        check = session.new_question()

        def report(done: int, total: int) -> None:
            check()
            progress(done / total, desc=METHODS[asked.method].label)

        try:
            view = _view(session, asked, _explained(session, asked, report), report)
            check()
        except Superseded:
            return gr.skip()
        except Exception as error:
            return _without_map(session, reason(error))
        return view


def _explained(session: Session, asked: Asked, report: Progress | None = None) -> Explanation:
    examination = session.examination(asked.model)
    return examination.answer(asked.question(examination.model), report)


def _view(
    session: Session, asked: Asked, explanation: Explanation, report: Progress | None = None
) -> View:
    """Return the map of a radiograph, and that of the prior beside it."""
    beside = None
    if session.prior is not None:
        answer = _explained(session.prior, asked, report)
        beside = View(session.prior.image_id, explanation=answer, slot="b", caption=CAPTION)
    return View(session.image_id, explanation=explanation, beside=beside)


def _without_map(session: Session, note: str | None = None) -> View:
    """Return the view that takes the maps of the last question away."""
    beside = None if session.prior is None else View(session.prior.image_id, slot="b")
    return View(session.image_id, note=note, beside=beside)


def _no_progress(_share: float, desc: str) -> None:
    """Quick methods need none."""
