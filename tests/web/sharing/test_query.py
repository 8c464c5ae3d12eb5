"""What a link may say, whoever wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation import Question
from cxr_gradcam.explanation.display import STYLES
from cxr_gradcam.imaging.rendering import COLORMAPS
from cxr_gradcam.web.compare.comparison import Comparison
from cxr_gradcam.web.question import PageQuestion, evidence_choices
from cxr_gradcam.web.sharing.query import PARAMETERS, Link, read_link, write_link


@dataclass
class Names:
    """A model, as far as a link needs one."""

    class_names: tuple[str, ...]
    detail: dict[str, tuple[str, ...]]


MODELS = {
    "bundled": Names(("Normal", "Pneumonia"), {"coarse": ("d",), "fine": ("c", "d")}),
    "my own & only": Names(("1", "a=b&c", "<b>ü</b>"), {"coarse": ("d",)}),
}
USUAL = PageQuestion("bundled", Question(detail="fine"))


def read(query: str) -> Link:
    return read_link(query, MODELS, 4)


@st.composite
def questions(draw: st.DrawFn) -> PageQuestion:
    name = draw(st.sampled_from(list(MODELS)))
    model = MODELS[name]
    class_name = draw(st.sampled_from(model.class_names))
    offered = [each for _, each in evidence_choices(model.class_names)]
    evidence = draw(st.sampled_from([e for e in offered if e["contrast_with"] != class_name]))
    method = draw(st.sampled_from(list(METHODS)))
    detail = draw(st.sampled_from(list(model.detail)))
    return PageQuestion(name, Question(class_name, method, detail=detail, **evidence))


@given(questions(), st.none() | st.integers(0, 3))
def test_every_question_comes_back_as_it_was_written(
    asked: PageQuestion, example: int | None
) -> None:
    assert read("?" + write_link(asked, example)) == Link(asked, {}, example)


def assert_can_be_given(link: Link) -> None:
    asked, model = link.asked.question, MODELS[link.asked.model]
    assert asked.class_name in {None, *model.class_names}
    assert asked.contrast_with in {None, *model.class_names} - ({asked.class_name} - {None})
    assert not (asked.against and asked.contrast_with)
    assert asked.method in METHODS
    assert asked.detail in model.detail
    assert link.example in {None, 0, 1, 2, 3}
    assert link.comparison is None or link.comparison.other(link.asked, MODELS).model in MODELS
    display = dict(link.display)
    assert display.pop("opacity", 0) in range(101)
    assert display.pop("threshold", 0) in range(101)
    assert display.pop("colormap", "jet") in COLORMAPS
    assert display.pop("style", "even") in STYLES
    view = display.pop("view", {"x": 0, "y": 0, "zoom": 1})
    assert 0 <= view["x"] <= 1
    assert 0 <= view["y"] <= 1
    assert 0 < view["zoom"] <= 64
    assert display.pop("window", {}).keys() <= {"number", "low", "high", "inverted"}
    assert display == {}


VALUES = st.one_of(
    st.text(),
    st.integers().map(str),
    st.floats().map(str),
    st.lists(st.floats(), min_size=1, max_size=4).map(lambda some: ",".join(map(str, some))),
    st.sampled_from([*METHODS, *COLORMAPS, *STYLES, "Normal", "a=b&c", "fine", "1"]),
)


@given(st.text() | st.dictionaries(st.sampled_from(list(PARAMETERS)), VALUES).map(urlencode))
def test_whatever_a_link_says_what_is_taken_can_be_given(query: str) -> None:
    link = read(query)
    assert_can_be_given(link)
    for value in query.split("="):
        assert len(value) < 12 or value not in link.note


@given(st.dictionaries(st.sampled_from(list(PARAMETERS)), st.just("<img src=x onerror=alert(1)>")))
def test_nothing_of_a_hostile_link_is_repeated(said: dict[str, str]) -> None:
    link = read(urlencode(said))
    assert link == Link(USUAL, note=link.note)
    assert bool(link.note) == bool(said)
    assert "<" not in link.note


def test_a_comparison_is_of_what_the_links_model_knows() -> None:
    link = read("model=my+own+%26+only&class=1&compare=class:a%3Db%26c")
    assert link.comparison == Comparison("class", "a=b&c")
    assert read("compare=class:a%3Db%26c").note.startswith("The link named a comparison")


def test_one_value_that_is_not_offered_is_named() -> None:
    note = "The link named a colour map that is not offered; the usual one is shown."
    link = read("class=Normal&colors=sepia&opacity=30")
    assert link == Link(USUAL.changed(class_name="Normal"), {"opacity": 30}, note=note)


def test_several_values_that_are_not_offered_are_named_once() -> None:
    link = read("model=x&vs=y&against=2&place=9,9,9")
    assert link.note == (
        "The link named a model, a question and a place that are not offered; "
        "the usual ones are shown."
    )


@pytest.mark.parametrize("query", ["", "?", "__theme=dark&utm_source=mail", "%00%ff", "&&==&"])
def test_what_others_add_to_an_address_is_left_alone(query: str) -> None:
    assert read(query) == Link(USUAL)


@pytest.mark.parametrize("query", ["x" * 3000, "&".join(f"p{n}=1" for n in range(100))])
def test_what_no_link_of_ours_can_be_says_so(query: str) -> None:
    assert read(query) == Link(USUAL, note="The link could not be read; the usual view is shown.")


def test_the_display_is_what_the_viewer_takes() -> None:
    query = "opacity=0&colors=viridis&style=contours&threshold=20&window=0.25,-1.5&place=0.5,0.25,2"
    assert read(query + "&invert=1").display == {
        "opacity": 0,
        "colormap": "viridis",
        "style": "contours",
        "threshold": 20,
        "window": {"low": 0.25, "high": -1.5, "inverted": True},
        "view": {"x": 0.5, "y": 0.25, "zoom": 2},
    }
    assert read("window=2").display == {"window": {"number": 2}}
    assert read("invert=1").display == {"window": {"inverted": True}}


REFUSED = {
    "opacity": ["5_0", "%D9%A5", "101", "1e1", "", "-1"],
    "window": ["1,1", "nan,1", "0", "1,inf", "0,1e9", "1,2,3", "soft"],
    "place": ["0.5,0.5", "0,0,0", "0,0,1e999", "-1,0,1", "0,0,65"],
    "example": ["5", "0", "-1"],
    "invert": ["true"],
    "against": [""],
    "class": ["normal"],
    "compare": ["", "class:Mass", "Normal", "class:"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_out_of_bounds_or_in_another_form_is_refused(name: str) -> None:
    note = f"The link named {PARAMETERS[name]} that is not offered; the usual one is shown."
    for value in REFUSED[name]:
        assert read(f"{name}={value}") == Link(USUAL, note=note), value
