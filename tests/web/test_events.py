"""What a visitor's events show, without a browser."""

from __future__ import annotations

import gc
import logging
import weakref
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.bundled import example_files
from cxr_gradcam.explanation import Examination, examine
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.web import events
from cxr_gradcam.web.controls import Controls, model_field
from cxr_gradcam.web.events import Events
from cxr_gradcam.web.prediction import WAITING
from cxr_gradcam.web.session import Session, Superseded
from cxr_gradcam.web.viewer import View
from tests.helpers.findings import eighteen_findings

ASKED = "three", "class 0", "for", "gradcam", "fine"


@pytest.fixture(scope="module")
def handlers(shared_model: ResNet50FineTuned) -> Events:
    models = {"three": shared_model, "many": eighteen_findings()}
    with gr.Blocks():
        controls = Controls(models, model_field(models))
    return Events(models, controls, {"three": "# The card"})


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film"
    path.write_bytes(example_files()[0].read_bytes())
    return path


def click(index: int, when: float) -> gr.SelectData:
    return gr.SelectData(None, {"index": index, "value": when})


def opened(steps: Any) -> Session:
    return list(steps)[-1][0]


def test_a_session_keeps_none_of_the_pictures_pixels(handlers: Events, film: Path) -> None:
    steps = handlers.open_upload(film, None, *ASKED)
    pixels = weakref.ref(next(steps)[-1].stored.values)
    session = next(steps)[0]
    steps.close()
    gc.collect()
    assert session is not None
    assert pixels() is None


def test_an_upload_shows_the_picture_then_the_prediction_and_is_removed(
    handlers: Events, film: Path
) -> None:
    first, last = handlers.open_upload(film, None, *ASKED)
    assert first[1] == WAITING
    assert first[-1].stored is not None
    assert first[-1].explanation is None
    session, prediction, *_, view = last
    assert "Answer of the model</h2>" in prediction
    assert view.image_id == session.image_id == first[-1].image_id
    assert view.explanation is not None
    assert not film.exists()


def test_each_upload_has_an_id_of_its_own(handlers: Events, film: Path) -> None:
    content = film.read_bytes()
    first = opened(handlers.open_upload(film, None, *ASKED))
    film.write_bytes(content)
    assert opened(handlers.open_upload(film, None, *ASKED)).image_id != first.image_id


def assert_cleared(step: list[Any], words: str) -> None:
    session, prediction, *_, view = step
    assert session is None
    assert 'role="alert"' in prediction
    assert words in prediction
    assert view.image_id == ""
    assert view.stored is view.explanation is None


def assert_refused(step: list[Any], words: str) -> None:
    *unchanged, view = step
    assert unchanged == [gr.skip()] * len(unchanged)
    assert words in view.refused
    assert "Jane" not in view.refused


def test_a_bad_file_says_why_and_leaves_all_as_it_was(handlers: Events, film: Path) -> None:
    film.write_text("Jane Doe, no image")
    [step] = handlers.open_upload(film, None, *ASKED)
    assert_refused(step, "This file cannot be shown. The file (18 bytes)")
    assert not film.exists()


def test_a_bad_file_ends_no_question_about_the_open_one(handlers: Events, film: Path) -> None:
    content = film.read_bytes()
    session = opened(handlers.open_upload(film, None, *ASKED))
    check = session.new_question()
    film.write_text("no image")
    list(handlers.open_upload(film, session, *ASKED))
    check()
    film.write_bytes(content)
    list(handlers.open_upload(film, session, *ASKED))
    with pytest.raises(Superseded):
        check()


@pytest.mark.parametrize("fault", ["read_for_viewing", "by_probability"])
@pytest.mark.parametrize("error", [MemoryError, RuntimeError("Jane Doe"), KeyError("Jane Doe")])
def test_any_error_gives_one_message_and_no_name_in_the_log(
    handlers: Events, film: Path, monkeypatch, caplog, fault: str, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(events, fault, fail)
    with caplog.at_level(logging.ERROR):
        step = list(handlers.open_upload(film, None, *ASKED))[-1]
    check = assert_refused if fault == "read_for_viewing" else assert_cleared
    check(step, "went wrong on the server")
    assert "Jane" not in f"{caplog.text} {step[1]}"
    assert "in fail" in caplog.text
    assert not film.exists()


def test_a_question_that_fails_leaves_the_picture_without_a_map(
    handlers: Events, film: Path, monkeypatch
) -> None:
    session = opened(handlers.open_upload(film, None, *ASKED))

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Examination, "answer", fail)
    view = handlers.change_map(session, gr.Progress(), *ASKED)
    assert isinstance(view, View)
    assert view.image_id == session.image_id
    assert view.explanation is None
    assert "went wrong on the server" in str(view.note)


def test_a_question_about_nothing_says_what_to_do(handlers: Events) -> None:
    with pytest.raises(gr.Error, match="open it again"):
        handlers.change_map(None, gr.Progress(), *ASKED)


def test_of_two_clicks_the_later_one_counts_though_it_arrives_first(handlers: Events) -> None:
    session = opened(handlers.open_example(click(1, 100.5), None, *ASKED))
    [late] = handlers.open_example(click(0, 100.0), session, *ASKED)
    assert late == [gr.skip()] * 6
    assert opened(handlers.open_example(click(2, 101.0), session, *ASKED)).clicked == 101.0


def test_a_new_picture_ends_the_questions_about_the_last(handlers: Events) -> None:
    session = opened(handlers.open_example(click(0, 1.0), None, *ASKED))
    check = session.new_question()
    opened(handlers.open_example(click(1, 2.0), session, *ASKED))
    with pytest.raises(events.Superseded):
        check()


def test_a_new_picture_is_not_kept_waiting_by_a_slow_method(handlers: Events) -> None:
    asked = "three", "class 0", "for", "scorecam", "fine"
    step = list(handlers.open_example(click(0, 1.0), None, *asked))[-1]
    assert step[-2].value == "gradcam"
    assert step[-1].explanation.method == "gradcam"


def test_another_class_offers_its_own_questions(handlers: Events) -> None:
    session = opened(handlers.open_example(click(0, 1.0), None, *ASKED))
    question, view, _ = handlers.change_class(
        session, "three", "class 1", "vs:class 1", "gradcam", "fine"
    )
    assert question.value == "for"
    assert ("Why class 1 rather than class 2?", "vs:class 2") in question.choices
    assert str(view.explanation.question) == "for class 1"


OTHER = "many", "class 0", "vs:unknown to this model", "gradcam", "finest"


def test_another_model_answers_the_open_radiograph_without_the_file(
    handlers: Events, film: Path
) -> None:
    radiograph = read_radiograph(film)
    session = opened(handlers.open_upload(film, None, *ASKED))
    prediction, classes, *_, view, detail, scope, card, _ = list(
        handlers.change_model(session, *OTHER)
    )[-1]
    model = session.models["many"]
    expected = examine(model, radiograph).explain()
    np.testing.assert_array_equal(view.explanation.heatmap, expected.heatmap)
    assert view.image_id == session.image_id
    assert prediction.count("<dt>") == len(classes.choices) == 18
    assert classes.value == view.explanation.class_name == expected.prediction.most_probable
    assert (detail.visible, detail.value) == (False, "coarse")
    assert "18 findings" in scope
    assert card.visible is False


def test_another_model_without_a_radiograph_says_what_it_knows(handlers: Events) -> None:
    [[_, classes, *_, scope, card, text]] = handlers.change_model(None, *ASKED)
    assert [name for name, _ in classes.choices] == ["class 0", "class 1", "class 2"]
    assert "class 0 and class 1" in scope
    assert card.visible
    assert text == "# The card"


def test_a_model_that_fails_takes_the_last_models_map_along(
    handlers: Events, film: Path, monkeypatch
) -> None:
    session = opened(handlers.open_upload(film, None, *ASKED))

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(session.models["many"], "record", fail)
    prediction, *_, view, _, _, _, _ = list(handlers.change_model(session, *OTHER))[-1]
    assert "went wrong on the server" in prediction
    assert view.image_id == session.image_id
    assert view.explanation is None


def test_every_finding_of_a_seen_radiograph_costs_no_second_pass(
    handlers: Events, film: Path, monkeypatch
) -> None:
    session = opened(handlers.open_upload(film, None, *OTHER))
    model = session.models["many"]
    monkeypatch.setattr(model, "record", lambda *_: pytest.fail("a second pass"))
    names = {
        handlers.change_map(
            session, gr.Progress(), "many", name, "for", "gradcam", "coarse"
        ).explanation.class_name
        for name in model.class_names
    }
    assert len(names) == 18


def test_a_session_keeps_the_passes_of_two_models(handlers: Events, film: Path) -> None:
    session = opened(handlers.open_upload(film, None, *ASKED))
    three = session.examination("three")
    many = session.examination("many")
    assert session.examination("three") is three
    assert session.examination("many") is many
