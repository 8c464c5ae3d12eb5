"""What the viewer shows of an open radiograph, and of what is set beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.imaging.reading import read_for_viewing
from cxr_gradcam.web.asked import Asked, quick
from cxr_gradcam.web.session import Session
from cxr_gradcam.web.sharing.query import write_link
from cxr_gradcam.web.viewer import View
from cxr_gradcam.web.worklist.prior import CAPTION


def explained(session: Session, asked: Asked, report: Progress | None = None) -> Explanation:
    """Answer a question by the recorded pass; raises what the model and `report` do."""
    examination = session.examination(asked.model)
    return examination.answer(asked.question(examination.model), report)


def view_of(
    session: Session, asked: Asked, explanation: Explanation, report: Progress | None = None
) -> View:
    """Return the map of a radiograph, and that of the prior beside it."""
    beside = None
    if session.prior is not None:
        answer = explained(session.prior, asked, report)
        beside = View(session.prior.image_id, explanation=answer, slot="b", caption=CAPTION)
    link = write_link(replace(asked, class_name=explanation.class_name), session.example)
    return View(session.image_id, explanation=explanation, beside=beside, link=link)


def without_map(session: Session, note: str | None = None) -> View:
    """Return the view that takes the maps of the last question away."""
    beside = None if session.prior is None else View(session.prior.image_id, slot="b")
    return View(session.image_id, note=note, beside=beside)


def set_beside(path: Path, session: Session, asked: Asked) -> View:
    """Set another radiograph beside the open one, and ask the same of it."""
    radiograph, stored = read_for_viewing(path)
    prior = Session.of(session.models, radiograph, uuid4().hex)
    explanation = explained(prior, replace(asked, method=quick(asked.method)))
    session.prior = prior
    return View(prior.image_id, stored, explanation, slot="b", caption=CAPTION)
