"""Event handlers for opening a radiograph, and for asking another question about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import gradio as gr

from cxr_gradcam.bundled import example_files
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.imaging.reading import read_bytes, read_for_viewing
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.about import scope
from cxr_gradcam.web.compare.views import set_beside, view_of, without_map
from cxr_gradcam.web.controls import Controls
from cxr_gradcam.web.downloads.dicom import DicomSource
from cxr_gradcam.web.failures import GONE, reason
from cxr_gradcam.web.prediction import (
    EMPTY,
    WAITING,
    by_probability,
    failure_html,
    prediction_html,
)
from cxr_gradcam.web.question import PageQuestion
from cxr_gradcam.web.session import Session, Superseded
from cxr_gradcam.web.sharing.component import link_instructions
from cxr_gradcam.web.sharing.query import read_link
from cxr_gradcam.web.uploads import Uploads
from cxr_gradcam.web.viewer import View
from cxr_gradcam.web.worklist.prior import prior_html

_PROGRESS = gr.Progress()

_UNCHANGED: list[Any] = [gr.skip()] * 6
"""Updates that do not change session, prediction, controls and viewer.

Gradio would empty these after an event that yields nothing.
"""


class Events:
    """The event handlers of a page; they keep no data of a visitor.

    Args:
        models: the page's models by name, with Grad-CAM enabled; shared by all visitors, and never
            changed.
        controls: the components of the question.
        cards: the models' cards in Markdown, by the models' names.
        uploads: the store of a worklist's files.
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
        self, path: Path | None, previous: Session | None, *values: object
    ) -> Iterator[list[Any]]:
        """Show an uploaded file, and remove it from disk."""
        if path is None:
            yield _UNCHANGED
            return
        try:
            yield from self._open(path, previous, values)
        finally:
            path.unlink(missing_ok=True)

    def open_listed(
        self, chosen: gr.EventData, previous: Session | None, *values: object
    ) -> Iterator[list[Any]]:
        """Show a file of the worklist that the browser has uploaded before."""
        path = self._uploads.take(str(chosen.path))
        if path is None:
            raise gr.Error(GONE, print_exception=False)
        yield from self.open_upload(path, previous, *values)

    def open_example(
        self, chosen: gr.SelectData, previous: Session | None, *values: object
    ) -> Iterator[list[Any]]:
        """Show the example clicked last; clicks may arrive in another order."""
        if previous is not None and chosen.value < previous.clicked:
            yield _UNCHANGED
            return
        path = example_files()[chosen.index]
        yield from self._open(path, previous, values, chosen.value, chosen.index)

    def open_prior(
        self, chosen: gr.EventData, session: Session | None, *values: object
    ) -> list[Any]:
        """Show a file beside the open radiograph, with the same question."""
        path = self._uploads.take(str(chosen.path))
        if path is None or session is None:
            raise gr.Error(GONE, print_exception=False)
        try:
            view = set_beside(path, session, self._controls.question_of(*values))
        except Exception as error:
            raise gr.Error(reason(error), print_exception=False) from error
        finally:
            path.unlink(missing_ok=True)
        return [self.describe_prior(session, *values), view]

    def describe_prior(self, session: Session | None, *values: object) -> Any:  # noqa: ANN401 - HTML, or Gradio's sign that there is none
        """Show the current model's prediction for the prior."""
        if session is None or session.prior is None:
            return gr.skip()
        asked = self._controls.question_of(*values)
        return prior_html(session.prior.examination(asked.model).prediction)

    def close_prior(self, session: Session | None) -> list[Any]:
        """Remove the prior."""
        if session is not None:
            session.prior = None
        return ["", View(pane="b")]

    def change_model(self, session: Session | None, *values: object) -> Iterator[list[Any]]:
        """Show another model's scope, and its answer about the open radiograph."""
        asked = self._controls.question_of(*values)
        yield from self._ask_model(session, asked)

    def open_link(
        self, chosen: gr.EventData, session: Session | None, *_: object
    ) -> Iterator[list[Any]]:
        """Ask the question of a link, about the open radiograph or the next one."""
        link = read_link(str(chosen.query), self._models, len(example_files()))
        instructions: Any = link_instructions(link, is_open=session is not None)
        for step in self._ask_model(session, link.asked):
            yield [instructions, link.asked.model, *step]
            instructions = gr.skip()

    def open_linked(
        self, instructions: dict[str, Any], previous: Session | None, *values: object
    ) -> Iterator[list[Any]]:
        """Show the example that a link names, unless another X-ray is open."""
        example = instructions["example"]
        if previous is not None or not isinstance(example, int):
            yield _UNCHANGED
            return
        yield from self._open(example_files()[example], None, values, example=example)

    def ask_slowly(
        self,
        chosen: gr.EventData,
        session: Session | None,
        progress: gr.Progress = _PROGRESS,
        *values: object,
    ) -> list[Any]:
        """Answer with the slow method that a link names, once the radiograph is shown."""
        method = str(chosen.method)
        if method not in METHODS:
            return [gr.skip(), gr.skip()]
        asked = self._controls.question_of(*values).changed(method=method)
        return [
            self._controls.methods(asked.question.method),
            self._answer(session, asked, progress),
        ]

    def change_class(self, session: Session | None, *values: object) -> list[Any]:
        """Show the map of another class, and offer its questions."""
        asked = self._controls.question_of(*values).quick()
        if session is not None and session.comparison is not None and session.comparison.is_slow:
            session.comparison = None
        view = self._answer(session, asked, _no_progress)
        offered = (
            gr.skip() if asked.question.class_name is None else self._controls.questions(asked)
        )
        return [offered, view, self._controls.methods(asked.question.method)]

    def change_map(
        self,
        session: Session | None,
        progress: gr.Progress = _PROGRESS,
        *values: object,
    ) -> Any:  # noqa: ANN401 - a view, or Gradio's sign that there is none
        """Answer another question, with another method or another detail."""
        return self._answer(session, self._controls.question_of(*values), progress)

    def stop(self, chosen: gr.EventData, session: Session | None, *_: object) -> list[Any]:
        """Stop computing a slow map; the displayed map and its method remain."""
        if session is None:
            return [gr.skip(), gr.skip()]
        session.cancel()
        beside: Any = gr.skip()
        if session.comparison is not None and session.comparison.is_slow:
            session.comparison, beside = None, View(pane="b")
        method = str(chosen.method)
        return [self._controls.methods(method) if method in METHODS else gr.skip(), beside]

    def _ask_model(self, session: Session | None, asked: PageQuestion) -> Iterator[list[Any]]:
        """Show a model's scope, and its answer about the open radiograph, if any."""
        about = [self._controls.details(asked), *self._about(asked.model)]
        if session is None:
            waiting = [
                *self._controls.waiting(asked),
                self._controls.methods(asked.question.method),
            ]
            yield [EMPTY, *waiting, gr.skip(), *about]
            return
        session.cancel()
        yield [WAITING, *self._locked(), without_map(session), *about]
        try:
            yield [*self._answered(session, asked), *about]
        except Exception as error:
            failed = without_map(session, "")
            yield [failure_html(reason(error)), *self._locked(), failed, *about]

    def _open(
        self,
        path: Path,
        previous: Session | None,
        values: Sequence[object],
        clicked: float = 0,
        example: int | None = None,
    ) -> Iterator[list[Any]]:
        """Show the radiograph at once, then the prediction and its map."""
        try:
            data = read_bytes(path)
            radiograph, stored = read_for_viewing(data)
        except Exception as error:  # the open radiograph stays
            yield [*_UNCHANGED[:-1], View(refused=reason(error))]
            return
        if previous is not None:
            previous.cancel()
        image_id = uuid4().hex
        try:
            yield [None, WAITING, *self._locked(), View(image_id, stored)]
            dicom = DicomSource.of(data, radiograph)
            session = Session.of(self._models, radiograph, image_id, clicked, dicom, example)
            asked = self._controls.question_of(*values)
            if previous is not None:  # a link may have named the class of the first radiograph
                asked = asked.changed(class_name=None)
            yield [session, *self._answered(session, asked)]
        except Exception as error:
            yield [None, failure_html(reason(error)), *self._locked(), View(note="")]

    def _answered(self, session: Session, asked: PageQuestion) -> list[Any]:
        """Return the prediction, class, question, method and map of a radiograph just opened."""
        examination = session.examination(asked.model)
        names = by_probability(examination.probabilities)
        # The prediction must not wait for a slow map.
        asked = asked.quick().about_class(asked.question.class_name or names[0])
        explanation = session.answer(asked)
        return [
            prediction_html(explanation),
            self._controls.classes(asked, names),
            self._controls.questions(asked),
            self._controls.methods(asked.question.method),
            view_of(session, asked, explanation),
        ]

    def _about(self, model: str) -> list[Any]:
        """Return a model's scope, and its model card, if any."""
        card = self._cards.get(model, "")
        return [scope(self._models[model]), gr.Accordion(visible=bool(card)), card]

    def _locked(self) -> list[Any]:
        """Return the updates of class, question and method while no radiograph is open."""
        return [*self._controls.locked(), gr.skip()]

    def _answer(
        self, session: Session | None, asked: PageQuestion, progress: Callable[..., Any]
    ) -> Any:  # noqa: ANN401 - as in `change_map`
        if session is None:
            raise gr.Error(GONE, print_exception=False)
        check = session.new_question()

        def report(done: int, total: int) -> None:
            check()
            progress(done / total, desc=METHODS[asked.question.method].label)

        if METHODS[asked.question.method].is_slow:
            report(0, 1)  # so that the page offers to stop it at once
        try:
            view = view_of(session, asked, session.answer(asked, report), report)
            check()
        except Superseded:
            return gr.skip()
        except Exception as error:
            return without_map(session, reason(error))
        return view


def _no_progress(_share: float, desc: str) -> None:
    """Ignore the progress of quick methods."""
