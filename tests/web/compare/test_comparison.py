"""What the second answer of a comparison is asked, and what the sides are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_gradcam.explanation import Prediction, Question
from cxr_gradcam.web.compare.comparison import Comparison, caption, read_comparison
from cxr_gradcam.web.question import PageQuestion, evidence_key
from tests.web.sharing.test_query import Names

MODELS = {"one": Names(("Normal", "Pneumonia"), {"coarse": ("d",), "fine": ("c", "d")})} | {
    "two": Names(("Mass", "Pneumonia", "a:b"), {"coarse": ("d",)})
}
ASKED = PageQuestion("one", Question("Pneumonia", "layercam", against=True, detail="fine"))


def other(text: str, asked: PageQuestion = ASKED) -> PageQuestion:
    comparison = read_comparison(text, asked.model, MODELS)
    assert comparison is not None
    assert str(comparison) == text
    return comparison.other(asked, MODELS)


def test_the_second_answer_differs_in_one_thing() -> None:
    assert other("class:Normal") == ASKED.changed(class_name="Normal")
    assert other("method:eigencam") == ASKED.changed(method="eigencam")
    assert other("model:two") == PageQuestion(
        "two", Question("Pneumonia", "layercam", against=True, detail="coarse")
    )


def test_a_class_is_not_set_against_itself() -> None:
    asked = ASKED.changed(against=False, contrast_with="Normal")
    assert evidence_key(other("class:Normal", asked).question) == "for"


@pytest.mark.parametrize(
    ("asked", "name", "evidence"),
    [
        (ASKED.changed(class_name="Normal"), None, "for"),
        (ASKED.changed(against=False, contrast_with="Normal"), "Pneumonia", "for"),
    ],
)
def test_another_model_is_asked_what_it_knows(
    asked: PageQuestion, name: str | None, evidence: str
) -> None:
    question = other("model:two", asked).question
    assert (question.class_name, evidence_key(question)) == (name, evidence)


def test_names_may_hold_a_colon() -> None:
    assert read_comparison("class:a:b", "two", MODELS) == Comparison("class", "a:b")


@given(
    st.text() | st.builds("{}:{}".format, st.sampled_from(["class", "method", "model"]), st.text())
)
def test_whatever_comes_is_a_comparison_that_is_offered_or_none(text: str) -> None:
    comparison = read_comparison(text, "one", MODELS)
    assert comparison is None or str(comparison) == text


@pytest.mark.parametrize(
    "text", ["", "class:Mass", "method:none", "model:", "class", "kind:Normal"]
)
def test_what_is_not_offered_is_none(text: str) -> None:
    assert read_comparison(text, "one", MODELS) is None


def test_the_sides_are_called_by_what_they_differ_in() -> None:
    said = Prediction({"Normal": 0.04, "Pneumonia": 0.96})
    assert caption(Comparison("class", "Normal"), ASKED, said) == "Pneumonia 96 %"
    assert caption(Comparison("method", "gradcam"), ASKED, said) == "LayerCAM"
    assert caption(Comparison("model", "two"), ASKED, said) == "one, Pneumonia 96 %"
