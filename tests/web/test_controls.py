"""What the controls' values mean."""

from __future__ import annotations

import gradio as gr
import pytest

from cxr_gradcam.models.stages import DETAIL
from cxr_gradcam.web.controls import Controls, Evidence, quick

# A class named like a question, or like another class and a word, is a class all the same.
NAMES = ("for", "rather than Normal", "Normal")


@pytest.fixture(scope="module")
def controls() -> Controls:
    with gr.Blocks():
        return Controls(NAMES)


def test_every_question_comes_back_as_it_was_offered(controls: Controls) -> None:
    for name in NAMES:
        for words, number in controls.questions(name):
            assert controls.asked(name, number, "gradcam", "fine").evidence.question(name) == words


def test_the_questions_of_a_class_in_words(controls: Controls) -> None:
    assert [words for words, _ in controls.questions("Normal")] == [
        "What speaks for Normal?",
        "What speaks against Normal?",
        "Why Normal rather than for?",
        "Why Normal rather than rather than Normal?",
    ]


def test_what_is_asked_of_the_model(controls: Controls) -> None:
    asked = controls.asked("Normal", 3, "layercam", "finest")
    assert asked.evidence == Evidence(contrast_with="rather than Normal")
    question = asked.question
    assert question.class_name == "Normal"
    assert question.contrast_with == "rather than Normal"
    assert question.method == "layercam"
    assert question.layers == DETAIL["finest"]
    assert question.against is False
    assert controls.asked("Normal", 1, "gradcam", "fine").question.against is True


def test_a_class_is_not_set_against_itself(controls: Controls) -> None:
    assert controls.asked("Normal", 4, "gradcam", "fine").evidence == Evidence()


def test_a_slow_method_gives_way() -> None:
    assert (quick("scorecam"), quick("layercam")) == ("gradcam", "layercam")
