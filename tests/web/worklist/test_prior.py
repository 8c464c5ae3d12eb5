"""A prior beside the open X-ray: one question is asked of both, and none outlives its patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from cxr_gradcam import ResNet50FineTuned, examine, read_radiograph
from cxr_gradcam.bundled import example_files
from cxr_gradcam.explanation.prediction import Prediction
from cxr_gradcam.web.controls import Controls, model_field
from cxr_gradcam.web.events import Events
from cxr_gradcam.web.session import Session
from cxr_gradcam.web.uploads import Uploads
from cxr_gradcam.web.worklist.prior import prior_html

ASKED = "three", "class 0", "for", "gradcam", "fine"
NOW, PRIOR = example_files()[:2]


class Waiting(Uploads):
    """Uploads that know every file of a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def take(self, path: str) -> Path | None:
        known = self.folder / path
        return known if known.exists() else None


@pytest.fixture
def handlers(shared_model: ResNet50FineTuned, tmp_path: Path) -> Events:
    models = {"three": shared_model}
    with gr.Blocks():
        controls = Controls(models, model_field(models))
    (tmp_path / "prior").write_bytes(PRIOR.read_bytes())
    return Events(models, controls, uploads=Waiting(tmp_path))


def named(path: str) -> gr.EventData:
    return gr.EventData(None, {"path": path})


def opened(handlers: Events) -> Session:
    click = gr.SelectData(None, {"index": example_files().index(NOW), "value": 1.0})
    return list(handlers.open_example(click, None, *ASKED))[-1][0]


@pytest.fixture
def both(handlers: Events) -> tuple[Session, list[Any]]:
    session = opened(handlers)
    return session, handlers.open_prior(named("prior"), session, *ASKED)


def test_a_prior_is_shown_beside_with_the_same_question(both, tmp_path: Path) -> None:
    session, (answer, view) = both
    assert (view.pane, view.caption) == ("b", "Prior")
    assert view.image_id == session.prior.image_id != session.image_id
    assert view.stored.values.shape == read_radiograph(PRIOR).pixels.shape
    assert view.explanation.class_name == "class 0"
    assert "Close the prior" in answer
    assert not (tmp_path / "prior").exists()


def test_every_further_question_is_asked_of_both(handlers: Events, both, shared_model) -> None:
    session, _ = both
    _, view, _ = handlers.change_class(session, "three", "class 2", "for", "gradcam", "fine")
    assert view.explanation.class_name == view.beside.explanation.class_name == "class 2"
    assert view.beside.image_id == session.prior.image_id
    expected = examine(shared_model, read_radiograph(PRIOR)).probabilities
    assert view.beside.explanation.probabilities == pytest.approx(expected)


def test_where_a_question_fails_neither_keeps_its_map(handlers: Events, both, monkeypatch) -> None:
    session, _ = both

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(type(session.examination("three")), "answer", fail)
    view = handlers.change_map(session, gr.Progress(), *ASKED)
    assert view.explanation is view.beside.explanation is None
    assert view.beside.pane == "b"


def test_the_next_patient_has_no_prior(handlers: Events, both) -> None:
    click = gr.SelectData(None, {"index": 0, "value": 2.0})
    *_, last = handlers.open_example(click, both[0], *ASKED)
    assert last[0].prior is None
    assert last[-1].beside.image_id == ""


def test_a_closed_prior_is_asked_no_more(handlers: Events, both) -> None:
    session, _ = both
    answer, view = handlers.close_prior(session)
    assert (answer, view.pane, view.image_id) == ("", "b", "")
    assert handlers.change_map(session, gr.Progress(), *ASKED).beside.image_id == ""


def test_a_prior_that_cannot_be_read_says_why_and_changes_nothing(
    handlers: Events, tmp_path: Path
) -> None:
    (tmp_path / "letter").write_text("Dear Jane")
    session = opened(handlers)
    with pytest.raises(gr.Error, match="holds no image"):
        handlers.open_prior(named("letter"), session, *ASKED)
    assert session.prior is None
    assert not (tmp_path / "letter").exists()


def test_only_a_waiting_upload_can_be_a_prior(handlers: Events) -> None:
    with pytest.raises(gr.Error, match="open it again"):
        handlers.open_prior(named("gone"), opened(handlers), *ASKED)


def test_another_model_describes_the_prior_anew(handlers: Events, both) -> None:
    assert handlers.describe_prior(both[0], *ASKED) == both[1][0]
    assert isinstance(handlers.describe_prior(None, *ASKED), dict)


def test_the_priors_prediction_in_words() -> None:
    shares = {"<b>": 0.2, "Normal": 0.8}
    assert "<p>Normal, 80 %</p>" in prior_html(Prediction(shares))
    assert "&lt;b&gt; unlikely, 20 %" in prior_html(Prediction(shares, "<b>", "unlikely", 0.5))
    assert "Unlike the training X-rays: not reliable" in prior_html(
        Prediction(shares, "<b>", "unlikely", 2.0)
    )
