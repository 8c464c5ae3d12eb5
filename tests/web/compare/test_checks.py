"""Checks of an answer: a place covered, small changes, and how steady they leave it."""

from __future__ import annotations

import gradio as gr
import numpy as np
import pytest

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.bundled import example_files
from cxr_gradcam.explanation.steadiness import Steadiness
from cxr_gradcam.imaging.reading import read_for_viewing
from cxr_gradcam.web.compare.comparison import Comparison, read_comparison
from cxr_gradcam.web.compare.handlers import CompareHandlers
from cxr_gradcam.web.compare.steadiness import SteadinessHandlers, steadiness_html
from cxr_gradcam.web.controls import Controls, model_field
from cxr_gradcam.web.events import Events
from cxr_gradcam.web.session import TURNS, Session
from cxr_gradcam.web.viewer import View

ASKED = "model", "Pneumonia", "for", "gradcam", "coarse"


class Page:
    """The handlers of a page of the bundled model, and what they warn of."""

    def __init__(self, model: ResNet50FineTuned, monkeypatch: pytest.MonkeyPatch) -> None:
        models = {"model": model}
        with gr.Blocks():
            controls = Controls(models, model_field(models))
        self.events = Events(models, controls)
        self.steadiness = SteadinessHandlers(controls)
        self._compare = CompareHandlers(controls).compare
        self.warnings: list[str] = []
        monkeypatch.setattr(gr, "Warning", self.warnings.append)
        radiograph, _ = read_for_viewing(example_files()[1])
        self.session = Session.of(models, radiograph, "image")

    def compare(self, wanted: str) -> View:
        chosen = gr.EventData(None, {"wanted": wanted})
        return self._compare(chosen, self.session, gr.Progress(), *ASKED)[1]


@pytest.fixture
def page(bundled: ResNet50FineTuned, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(bundled, monkeypatch)


def test_a_covered_place_stands_beside_the_whole(page: Page) -> None:
    view = page.compare("cover:hottest")
    assert (view.pane, view.same_picture) == ("b", False)
    assert view.image_id not in ("", page.session.image_id)
    assert view.first_caption.startswith("Whole X-ray, Pneumonia ")
    assert view.caption.startswith("The hottest place covered, Pneumonia ")
    assert view.link == "compare=cover%3Ahottest"
    height, width = page.session.size
    assert view.stored.values.shape == view.explanation.heatmap.shape
    assert view.stored.values.shape[1] / view.stored.values.shape[0] == pytest.approx(
        width / height, rel=0.02
    )
    assert max(view.stored.values.shape) <= 512


def test_a_drawn_place_is_scaled_to_the_picture_that_is_shown(page: Page) -> None:
    whole = page.compare("cover:0,0,1,1").stored.values
    height, width = page.session.size
    drawn = f"cover:0,{height // 2},{width},{height // 2}"
    covered = page.compare(drawn).stored.values
    changed = np.abs(covered.astype(int) - whole).mean(axis=1) > 1
    assert changed[-len(changed) // 3 :].mean() > 0.9
    assert changed[5 : len(changed) // 3].mean() < 0.1


def test_the_next_question_is_asked_without_the_place_too(page: Page) -> None:
    page.compare("cover:hottest")
    view = page.events.change_map(
        page.session, gr.Progress(), "model", "Normal", "for", "layercam", "coarse"
    )
    assert view.explanation.class_name == view.beside.explanation.class_name == "Normal"
    assert view.beside.caption.startswith("The hottest place covered, Normal ")


def test_a_place_that_is_not_there_is_told_and_ends_the_check(page: Page) -> None:
    height, width = page.session.size
    view = page.compare(f"cover:{width},{height},5,5")
    assert view.image_id == ""
    assert "lies outside the X-ray" in page.warnings[0]
    assert page.session.comparison is None
    page.session.comparison = Comparison("cover", f"{width},{height},5,5")
    beside = page.events.change_map(page.session, gr.Progress(), *ASKED).beside
    assert (beside.image_id, page.session.comparison) == ("", None)


def test_the_mean_map_of_small_changes_stands_beside_the_map(page: Page) -> None:
    view = page.compare("changes:mean")
    assert (view.same_picture, view.image_id) == (True, page.session.image_id)
    assert view.caption.startswith("Mean of 16 small changes: ")
    assert view.explanation.heatmap.shape == page.session.size
    assert view.explanation.heatmap.max() == pytest.approx(1)


@pytest.mark.parametrize("text", ["cover:heart", "cover:", "cover:1,2,3", "changes:", "changes:x"])
def test_what_no_check_can_do_is_not_offered(page: Page, text: str) -> None:
    assert read_comparison(text, "model", page.session.models) is None


def test_steadiness_is_said_of_quick_maps_of_an_open_radiograph(page: Page) -> None:
    assert page.steadiness.measure(None, *ASKED) == ""
    slow = "model", "Pneumonia", "for", "scorecam", "coarse"
    assert page.steadiness.measure(page.session, *slow) == ""
    said = page.steadiness.measure(page.session, *ASKED)
    assert 'which is not "right"' in said
    assert said != page.steadiness.measure(page.session, *ASKED)  # the browser shows it anew


def test_steadiness_is_said_as_a_word_and_in_figures() -> None:
    nothing = np.zeros(16), np.zeros(16), np.zeros((1, 1), np.float32)
    said = steadiness_html(Steadiness(0.04, 0.1, 0.3, *nothing))
    assert "<b>unsteady</b>" in said
    assert "moves by 30 %" in said
    assert "overlap by 10 %" in said
    assert "4 % of the picture" in said


@pytest.mark.parametrize("wanted", ["cover:hottest", "cover:outside-lungs", "changes"])
def test_what_computes_waits_for_its_turn(
    page: Page, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, outside = page.session.models["model"], list[str]()
    record = model.record

    def watched(*arguments: object) -> object:
        if not TURNS._is_taken:
            outside.append(wanted)
        return record(*arguments)

    monkeypatch.setattr(model, "record", watched)
    page.compare(wanted)
    page.steadiness.measure(page.session, *ASKED)
    assert outside == []
