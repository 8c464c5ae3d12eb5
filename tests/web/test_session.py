"""What a visitor's session keeps in memory."""

from __future__ import annotations

import gc

import torch

from cxr_gradcam import Radiograph, ResNet50FineTuned
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.synthetic.chest import draw_phantom
from cxr_gradcam.web.question import PageQuestion
from cxr_gradcam.web.session import Session


def held_bytes() -> int:
    gc.collect()
    tensors = (each for each in gc.get_objects() if isinstance(each, torch.Tensor))
    storages = {each.untyped_storage().data_ptr(): each.untyped_storage() for each in tensors}
    return sum(each.nbytes() for each in storages.values())


def test_an_answered_session_keeps_no_graph_of_its_weak_maps() -> None:
    model = ResNet50FineTuned.from_checkpoint()
    film = Radiograph(draw_phantom(3, size=320).pixels)
    # The weaker class's map is made again in full precision, by a pass of its own.
    questions = [
        PageQuestion("model", Question(name, detail="finest")) for name in model.class_names
    ]
    Session.of({"model": model}, film, "warm").answer(questions[0])
    before = held_bytes()
    session = Session.of({"model": model}, film, "film")
    answers = [session.answer(question) for question in questions]
    assert held_bytes() - before < 2_600_000
    again = session.answer(questions[1])
    assert (again.heatmap == answers[1].heatmap).all()
