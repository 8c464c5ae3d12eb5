"""Two answers about one radiograph: none costs a pass of the network that has been made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from cxr_gradcam import ResNet50FineTuned, examine, read_radiograph
from cxr_gradcam.bundled import example_files
from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.web.compare.handlers import CompareHandlers
from cxr_gradcam.web.controls import Controls, model_field
from cxr_gradcam.web.events import Events
from cxr_gradcam.web.session import Session
from cxr_gradcam.web.uploads import Uploads
from cxr_gradcam.web.viewer import View
from tests.helpers.findings import FINDINGS, eighteen_findings
from tests.web.worklist.test_prior import Waiting

ASKED = "many", "Mass", "for", "gradcam", "coarse"


class Page:
    """The handlers of a page, and how often the network looked at a radiograph."""

    def __init__(
        self, models: dict[str, Any], uploads: Uploads, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with gr.Blocks():
            controls = Controls(models, model_field(models))
        self.events = Events(models, controls, uploads=uploads)
        self._compare = CompareHandlers(controls).compare
        self.passes: list[str] = []
        for name, model in models.items():
            monkeypatch.setattr(model, "record", self._counting(name, model.record))

    def _counting(self, name: str, record: Any) -> Any:
        def counted(*arguments: Any) -> ForwardPass:
            self.passes.append(name)
            return record(*arguments)

        return counted

    def open(self) -> Session:
        click = gr.SelectData(None, {"index": 1, "value": 1.0})
        return list(self.events.open_example(click, None, *ASKED))[-1][0]

    def compare(self, session: Session | None, wanted: str, *asked: Any) -> View:
        [prior, view] = self._compare(
            gr.EventData(None, {"wanted": wanted}), session, gr.Progress(), *(asked or ASKED)
        )
        assert prior == ""
        return view


@pytest.fixture
def page(shared_model: ResNet50FineTuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    models = {"many": eighteen_findings(), "three": shared_model}
    return Page(models, Waiting(tmp_path), monkeypatch)


def test_every_finding_and_quick_method_comes_from_the_one_pass(page: Page) -> None:
    session = page.open()
    names = [f"class:{name}" for name in FINDINGS if name != "Mass"]
    methods = [f"method:{name}" for name in ("layercam", "gradcam++", "hirescam", "eigencam")]
    shown = [page.compare(session, wanted).explanation for wanted in names + methods]
    assert {each.class_name for each in shown} == set(FINDINGS)
    assert len({each.method for each in shown}) == 5
    for name in FINDINGS:
        page.events.change_class(session, "many", name, "for", "gradcam", "coarse")
    assert page.passes == ["many"]


def test_another_model_looks_once_however_often_it_is_asked(page: Page) -> None:
    session = page.open()
    for name in FINDINGS[:3]:
        page.compare(session, "model:three", "many", name, "for", "gradcam", "coarse")
    page.events.change_map(session, gr.Progress(), *ASKED)
    assert page.passes == ["many", "three"]


def test_the_second_map_is_what_python_gives(page: Page, shared_model: ResNet50FineTuned) -> None:
    session = page.open()
    view = page.compare(session, "model:three")
    radiograph = read_radiograph(example_files()[1])
    expected = examine(shared_model, radiograph, shared_model.detail["coarse"]).explain(
        view.explanation.class_name, layers=shared_model.detail["coarse"]
    )
    np.testing.assert_array_equal(view.explanation.heatmap, expected.heatmap)
    assert (view.pane, view.image_id, view.same_picture) == ("b", session.image_id, True)
    assert view.stored is None
    assert view.first_caption.startswith("many, Mass ")
    assert view.caption.startswith(f"three, {view.explanation.class_name} ")


def test_every_further_question_is_asked_of_both(page: Page) -> None:
    session = page.open()
    page.compare(session, "class:Nodule")
    view = page.events.change_map(
        session, gr.Progress(), "many", "Mass", "against", "layercam", "coarse"
    )
    first, second = view.explanation, view.beside.explanation
    assert (first.class_name, second.class_name) == ("Mass", "Nodule")
    assert first.method == second.method == "layercam"
    assert first.against
    assert second.against


def test_a_comparison_with_itself_ends(page: Page) -> None:
    session = page.open()
    page.compare(session, "class:Nodule")
    _, view, _ = page.events.change_class(session, "many", "Nodule", "for", "gradcam", "coarse")
    assert (view.beside.pane, view.beside.image_id) == ("b", "")
    assert session.comparison is None


def test_another_class_does_not_wait_for_a_slow_comparison(page: Page) -> None:
    session = page.open()
    assert page.compare(session, "method:ablationcam").explanation.method == "ablationcam"
    page.events.change_class(session, "many", "Nodule", "for", "gradcam", "coarse")
    assert session.comparison is None


def test_it_stops_when_it_is_asked_to_or_cannot_be_known(page: Page) -> None:
    session = page.open()
    for wanted in ("", "class:<img>", "class:Mass"):
        page.compare(session, "class:Nodule")
        view = page.compare(session, wanted)
        assert (view.pane, view.image_id) == ("b", "")
        assert session.comparison is None
        assert page.events.change_map(session, gr.Progress(), *ASKED).beside.image_id == ""


def test_prior_and_comparison_take_each_others_place(page: Page, tmp_path: Path) -> None:
    session = page.open()
    page.compare(session, "class:Nodule")
    (tmp_path / "film").write_bytes(example_files()[0].read_bytes())
    _, view = page.events.open_prior(gr.EventData(None, {"path": "film"}), session, *ASKED)
    assert (view.caption, session.comparison) == ("Prior", None)
    page.compare(session, "class:Nodule")
    assert session.prior is None


def test_the_next_radiograph_is_compared_with_nothing(page: Page) -> None:
    session = page.open()
    page.compare(session, "class:Nodule")
    click = gr.SelectData(None, {"index": 0, "value": 2.0})
    *_, last = page.events.open_example(click, session, *ASKED)
    assert last[0].comparison is None
    assert last[-1].beside.image_id == ""


def test_where_a_question_fails_neither_keeps_its_map(page: Page, monkeypatch) -> None:
    session = page.open()
    page.compare(session, "class:Nodule")

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(type(session.examination("many")), "answer", fail)
    view = page.events.change_map(session, gr.Progress(), *ASKED)
    assert view.explanation is view.beside.explanation is None
    assert view.beside.image_id == session.image_id


def test_a_comparison_that_fails_says_so_and_ends(page: Page, monkeypatch) -> None:
    session = page.open()

    def fail(*_: object) -> None:
        raise MemoryError

    warnings: list[str] = []
    monkeypatch.setattr(gr, "Warning", warnings.append)
    monkeypatch.setattr(session.models["three"], "record", fail)
    view = page.compare(session, "model:three")
    assert (view.pane, view.image_id) == ("b", "")
    assert "went wrong" in warnings[0]
    assert session.comparison is None


def test_without_a_radiograph_it_says_what_to_do(page: Page) -> None:
    with pytest.raises(gr.Error, match="open it again"):
        page.compare(None, "class:Nodule")
