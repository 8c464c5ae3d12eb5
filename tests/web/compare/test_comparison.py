"""What the second answer of a comparison is asked, and what the sides are called."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_gradcam.explanation.prediction import Prediction
from cxr_gradcam.web.asked import Asked, Evidence
from cxr_gradcam.web.compare.comparison import Comparison, caption, read_comparison
from tests.web.sharing.test_query import Names

MODELS = {"one": Names(("Normal", "Pneumonia"), {"coarse": ("d",), "fine": ("c", "d")})} | {
    "two": Names(("Mass", "Pneumonia", "a:b"), {"coarse": ("d",)})
}
ASKED = Asked("one", "Pneumonia", Evidence(against=True), "layercam", "fine")


def other(text: str, asked: Asked = ASKED) -> Asked:
    comparison = read_comparison(text, asked.model, MODELS)
    assert comparison is not None
    assert str(comparison) == text
    return comparison.other(asked, MODELS)


def test_the_second_answer_differs_in_one_thing() -> None:
    assert other("class:Normal") == replace(ASKED, class_name="Normal")
    assert other("method:eigencam") == replace(ASKED, method="eigencam")
    assert other("model:two") == replace(ASKED, model="two", detail="coarse")


def test_a_class_is_not_set_against_itself() -> None:
    asked = replace(ASKED, evidence=Evidence(contrast_with="Normal"))
    assert other("class:Normal", asked).evidence == Evidence()


@pytest.mark.parametrize(
    ("asked", "name", "evidence"),
    [
        (replace(ASKED, class_name="Normal"), None, Evidence()),
        (replace(ASKED, evidence=Evidence(contrast_with="Normal")), "Pneumonia", Evidence()),
    ],
)
def test_another_model_is_asked_what_it_knows(
    asked: Asked, name: str | None, evidence: Evidence
) -> None:
    asked_of_other = other("model:two", asked)
    assert (asked_of_other.class_name, asked_of_other.evidence) == (name, evidence)


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
