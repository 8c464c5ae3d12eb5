"""What the viewer shows of an open radiograph, and of what is set beside it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.imaging.reading import read_for_viewing
from cxr_gradcam.web.compare.comparison import caption
from cxr_gradcam.web.question import PageQuestion
from cxr_gradcam.web.session import Session
from cxr_gradcam.web.sharing.query import write_link
from cxr_gradcam.web.viewer import View
from cxr_gradcam.web.worklist.prior import CAPTION


def view_of(
    session: Session, asked: PageQuestion, explanation: Explanation, report: Progress | None = None
) -> View:
    """Return the map of a radiograph, and what is set beside it."""
    asked = asked.changed(class_name=explanation.class_name)
    beside = _beside(session, asked, report)
    link = write_link(asked, session.example)
    return View(session.image_id, explanation=explanation, beside=beside, link=link)


def compared(session: Session, asked: PageQuestion, report: Progress | None = None) -> View | None:
    """Return the other answer of a comparison; None where there is none, or it is the same.

    Args:
        session: the open radiograph; a comparison with itself is ended.
        asked: the question of the answer that is shown, its class named.
        report: called while a slow method is at work.
    """
    comparison = session.comparison
    if comparison is None:
        return None
    other = comparison.other(asked, session.models)
    if other == asked:
        session.comparison = None
        return None
    answer = session.answer(other, report)
    first = session.examination(asked.model).prediction
    second = other.changed(class_name=answer.class_name)
    return View(
        session.image_id,
        explanation=answer,
        pane="b",
        same_picture=True,
        first_caption=caption(comparison, asked, first),
        caption=caption(comparison, second, answer.prediction),
        link=urlencode({"compare": str(comparison)}),
    )


def _beside(session: Session, asked: PageQuestion, report: Progress | None) -> View:
    """Return what is beside; nothing too, for the answer that said so may have been left out."""
    if session.comparison is not None:
        return compared(session, asked, report) or View(pane="b")
    if session.prior is None:
        return View(pane="b")
    answer = session.prior.answer(asked, report)
    return View(session.prior.image_id, explanation=answer, pane="b", caption=CAPTION)


def without_map(session: Session, note: str | None = None) -> View:
    """Return the view that takes the maps of the last question away."""
    second = session if session.comparison is not None else session.prior
    beside = None if second is None else View(second.image_id, pane="b")
    return View(session.image_id, note=note, beside=beside)


def set_beside(path: Path, session: Session, asked: PageQuestion) -> View:
    """Set another radiograph beside the open one, and ask the same of it."""
    radiograph, stored = read_for_viewing(path)
    prior = Session.of(session.models, radiograph, uuid4().hex)
    explanation = prior.answer(asked.quick())
    session.prior, session.comparison = prior, None
    return View(prior.image_id, stored, explanation, pane="b", caption=CAPTION)
