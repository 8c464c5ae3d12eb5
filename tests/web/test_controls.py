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
from cxr_gradcam.models.stages import DETAIL
from cxr_gradcam.web.asked import Evidence, evidence_of, first_detail, questions, quick
from cxr_gradcam.web.controls import Controls, model_field

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
        for words, number in questions(NAMES, name):
            asked = controls.asked("three", name, number, "gradcam", "fine")
            assert asked.evidence.question(name) == words


def test_the_questions_of_a_class_in_words() -> None:
    assert [words for words, _ in questions(NAMES, "Normal")] == [
        "What speaks for Normal?",
        "What speaks against Normal?",
        "Why Normal rather than for?",
        "Why Normal rather than rather than Normal?",
    ]


def test_what_is_asked_of_the_model(controls: Controls) -> None:
    asked = controls.asked("three", "Normal", 3, "layercam", "finest")
    assert asked.evidence == Evidence(contrast_with="rather than Normal")
    question = asked.question(MODELS["three"])
    assert question.class_name == "Normal"
    assert question.contrast_with == "rather than Normal"
    assert question.method == "layercam"
    assert question.layers == DETAIL["finest"]
    assert question.against is False
    assert controls.asked("three", "Normal", 1, "gradcam", "fine").evidence.against


def test_a_class_is_not_set_against_itself(controls: Controls) -> None:
    assert controls.asked("three", "Normal", 4, "gradcam", "fine").evidence == Evidence()


def test_a_slow_method_gives_way() -> None:
    assert (quick("scorecam"), quick("layercam")) == ("gradcam", "layercam")


def test_what_another_model_does_not_know_is_left_open(controls: Controls) -> None:
    asked = controls.asked("many", "Normal", 40, "gradcam", "finest")
    assert asked.class_name is None
    assert asked.evidence == Evidence()
    assert asked.detail == "coarse"
    assert asked.question(MODELS["many"]).layers == ("features",)


def test_few_classes_stand_side_by_side_and_many_are_searched(controls: Controls) -> None:
    assert isinstance(controls_of({"three": MODELS["three"]}).class_name, gr.Radio)
    assert isinstance(controls.class_name, gr.Dropdown)


def test_one_model_needs_no_choice_of_models(controls: Controls) -> None:
    assert controls_of({"three": MODELS["three"]}).model.visible is False
    assert controls.model.visible is True


def test_maps_begin_with_the_fine_detail_where_the_model_has_it() -> None:
    assert [first_detail(model) for model in MODELS.values()] == ["fine", "coarse"]


def test_every_class_but_itself_can_be_set_against_a_class() -> None:
    assert len(evidence_of(NAMES)) == 5
    assert len(questions(NAMES, "Normal")) == 4


def test_what_is_no_longer_offered_is_judged_where_it_is_used() -> None:
    # A reader may choose while another model's classes are on their way.
    left = ["three", "Normal", 4, "gradcam", "finest"]
    for control in controls_of({"many": MODELS["many"]}).all:
        taken = [control.preprocess(value) for value in left]
        assert taken == left


CONTROLS = controls_of(MODELS)
SENT = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2)


@given(st.tuples(SENT | st.sampled_from(list(MODELS)), SENT, SENT, SENT, SENT))
def test_whatever_a_browser_sends_is_a_question_of_a_model(sent: tuple[Any, ...]) -> None:
    asked = CONTROLS.asked(*sent)
    model = MODELS[asked.model]
    assert asked.class_name in {None, *model.class_names}
    assert asked.evidence in evidence_of(model.class_names)
    assert asked.question(model).method in METHODS
