"""The viewer's contents: the open radiograph's map, and a second picture beside it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.reading import read_for_viewing
from cxr_gradcam.web.compare.checks import covered_view, mean_view
from cxr_gradcam.web.compare.comparison import CHANGES, COVER, caption
from cxr_gradcam.web.question import PageQuestion
from cxr_gradcam.web.session import Session
from cxr_gradcam.web.sharing.query import write_link
from cxr_gradcam.web.viewer import View
from cxr_gradcam.web.worklist.prior import CAPTION


def view_of(
    session: Session, asked: PageQuestion, explanation: Explanation, report: Progress | None = None
) -> View:
    """Return the view of a radiograph's map, and of a second picture beside it."""
    asked = asked.changed(class_name=explanation.class_name)
    beside = _beside(session, asked, report)
    link = write_link(asked, session.example)
    return View(session.image_id, explanation=explanation, beside=beside, link=link)


def compared(session: Session, asked: PageQuestion, report: Progress | None = None) -> View | None:
    """Return the view of a comparison's second answer; None if it would equal the first.

    Args:
        session: the open radiograph; its comparison is ended if both answers would be equal.
        asked: the question of the first answer, with its class.
        report: called with (steps done, steps in all) while a slow method runs.

    Raises:
        RadiographError: the place to cover does not exist.
    """
    comparison = session.comparison
    if comparison is None:
        return None
    if comparison.kind == COVER:
        return covered_view(session, asked, comparison, report)
    if comparison.kind == CHANGES:
        return mean_view(session, asked, comparison)
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
    """Return the view beside, even if empty, since an earlier answer may have been skipped."""
    if session.comparison is not None:
        return _compared_again(session, asked, report)
    if session.prior is None:
        return View(pane="b")
    answer = session.prior.answer(asked, report)
    return View(session.prior.image_id, explanation=answer, pane="b", caption=CAPTION)


def _compared_again(session: Session, asked: PageQuestion, report: Progress | None) -> View:
    """Return the second answer to another question; a check that cannot be made ends."""
    try:
        return compared(session, asked, report) or View(pane="b")
    except RadiographError:
        session.comparison = None
        return View(pane="b")


def without_map(session: Session, note: str | None = None) -> View:
    """Return the view that removes the maps of the last question."""
    second = session if session.comparison is not None else session.prior
    beside = None if second is None else View(second.image_id, pane="b")
    if session.comparison is not None and session.comparison.kind == COVER:
        beside = View(pane="b")  # a covered picture is a separate picture
    return View(session.image_id, note=note, beside=beside)


def set_beside(path: Path, session: Session, asked: PageQuestion) -> View:
    """Show another radiograph beside the open one, with an answer to the same question."""
    radiograph, stored = read_for_viewing(path)
    prior = Session.of(session.models, radiograph, uuid4().hex)
    explanation = prior.answer(asked.quick())
    session.prior, session.comparison = prior, None
    return View(prior.image_id, stored, explanation, pane="b", caption=CAPTION)
