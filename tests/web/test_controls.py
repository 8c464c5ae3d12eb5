"""What the controls' values mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.explanation import Question
from cxr_gradcam.models.stages import DETAIL
from cxr_gradcam.web.controls import Controls, _methods, model_field
from cxr_gradcam.web.question import (
    PageQuestion,
    default_question,
    evidence_choices,
    evidence_key,
    worded_choices,
)

# A class named like a question, or like another class and a word, is a class all the same.
NAMES = ("for", "rather than Normal", "Normal")


@dataclass
class Names:
    """What the controls look at of a model."""

    class_names: tuple[str, ...]
    detail: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: DETAIL)


MODELS = {
    "three": Names(NAMES),
    "many": Names(tuple(f"finding {n}" for n in range(18)), {"coarse": ("features",)}),
}


def controls_of(models: Mapping[str, Any]) -> Controls:
    with gr.Blocks():
        return Controls(models, model_field(models))


@pytest.fixture(scope="module")
def controls() -> Controls:
    return controls_of(MODELS)


def test_every_question_comes_back_as_it_was_offered(controls: Controls) -> None:
    for name in NAMES:
        for words, key in worded_choices(NAMES, name):
            asked = controls.question_of("three", name, key, "gradcam", "fine")
            assert (words, evidence_key(asked.question)) in worded_choices(NAMES, name)
            assert evidence_key(asked.question) == key
            assert controls.values_of(asked) == ["three", name, key, "gradcam", "fine"]


def test_the_questions_of_a_class_in_words() -> None:
    assert [words for words, _ in worded_choices(NAMES, "Normal")] == [
        "What speaks for Normal?",
        "What speaks against Normal?",
        "Why Normal rather than for?",
        "Why Normal rather than rather than Normal?",
    ]


def test_what_is_asked_of_the_model(controls: Controls) -> None:
    asked = controls.question_of("three", "Normal", "vs:rather than Normal", "layercam", "finest")
    question = asked.question.for_model(MODELS["three"])
    assert question.class_name == "Normal"
    assert question.contrast_with == "rather than Normal"
    assert question.method == "layercam"
    assert question.layers == DETAIL["finest"]
    assert question.against is False
    assert controls.question_of("three", "Normal", "against", "gradcam", "fine").question.against


def test_a_class_is_not_set_against_itself(controls: Controls) -> None:
    asked = controls.question_of("three", "Normal", "vs:Normal", "gradcam", "fine")
    assert evidence_key(asked.question) == "for"


def test_a_slow_method_gives_way() -> None:
    for method, quick in (("scorecam", "gradcam"), ("layercam", "layercam")):
        asked = PageQuestion("three", Question(method=method)).quick()
        assert asked.question.method == quick


def test_what_another_model_does_not_know_is_left_open(controls: Controls) -> None:
    asked = controls.question_of("many", "Normal", "vs:Normal", "gradcam", "finest")
    assert asked.question.class_name is None
    assert evidence_key(asked.question) == "for"
    assert asked.question.detail == "coarse"
    assert asked.question.for_model(MODELS["many"]).layers == ("features",)


def test_few_classes_stand_side_by_side_and_many_are_searched(controls: Controls) -> None:
    assert isinstance(controls_of({"three": MODELS["three"]}).class_name, gr.Radio)
    assert isinstance(controls.class_name, gr.Dropdown)


def test_one_model_needs_no_choice_of_models(controls: Controls) -> None:
    assert controls_of({"three": MODELS["three"]}).model.visible is False
    assert controls.model.visible is True


def test_maps_begin_with_the_fine_detail_where_the_model_has_it() -> None:
    found = [default_question("m", model).question.detail for model in MODELS.values()]
    assert found == ["fine", "coarse"]


def test_every_class_but_itself_can_be_set_against_a_class() -> None:
    assert len(list(evidence_choices(NAMES))) == 5
    assert len(worded_choices(NAMES, "Normal")) == 4


def test_what_is_no_longer_offered_is_judged_where_it_is_used() -> None:
    # A reader may choose while another model's classes are on their way.
    left = ["three", "Normal", "vs:Normal", "gradcam", "finest"]
    for control in controls_of({"many": MODELS["many"]}).all:
        taken = [control.preprocess(value) for value in left]
        assert taken == left


CONTROLS = controls_of(MODELS)
SENT = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.lists(st.text(), max_size=2)
    | st.sampled_from(["for", "against", "vs:Normal", "Normal"])
)


@given(st.tuples(SENT | st.sampled_from(list(MODELS)), SENT, SENT, SENT, SENT))
def test_whatever_a_browser_sends_is_a_question_of_a_model(sent: tuple[Any, ...]) -> None:
    asked = CONTROLS.question_of(*sent)
    model = MODELS[asked.model]
    assert asked.question.class_name in {None, *model.class_names}
    assert evidence_key(asked.question) in dict(evidence_choices(model.class_names))
    assert asked.question.method in METHODS
    assert asked.question.for_model(model).layers in model.detail.values()


def test_four_methods_are_offered_first_and_every_method_on_request() -> None:
    first = [name for _, name in _methods("gradcam")["choices"]]
    assert first == ["gradcam", "gradcam++", "hirescam", "refinecam"]
    assert [name for _, name in _methods("gradcam", every=True)["choices"]] == list(METHODS)


def test_a_chosen_method_stays_on_offer() -> None:
    offered = [name for _, name in _methods("layercam")["choices"]]
    assert offered == ["gradcam", "gradcam++", "hirescam", "layercam", "refinecam"]


def test_a_question_by_another_method_offers_it(controls: Controls) -> None:
    shown = controls.methods("fem")
    assert "fem" in [name for _, name in shown.choices]
    assert shown.value == "fem"
