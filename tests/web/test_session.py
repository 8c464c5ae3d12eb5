"""What a visitor's session keeps in memory."""

from __future__ import annotations

import gc
from types import FunctionType, ModuleType

import pytest
import torch
from torch import Tensor

from cxr_gradcam import Radiograph, ResNet50FineTuned
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.models import split_pass
from cxr_gradcam.models.graph.forward_pass import GraphForwardPass
from cxr_gradcam.synthetic.chest import draw_phantom
from cxr_gradcam.web.question import PageQuestion
from cxr_gradcam.web.session import Session

# Classes and modules lead to everything that the process has loaded.
ELSEWHERE = (type, ModuleType)


def tensors_below(*roots: object) -> list[Tensor]:
    """Find the tensors that objects hold, at whatever depth."""
    seen, waiting, found = set(), list(roots), []
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, ELSEWHERE):
            continue
        seen.add(id(each))
        if isinstance(each, Tensor):
            found.append(each)
        if isinstance(each, FunctionType):
            waiting += each.__closure__ or ()
        else:
            waiting += gc.get_referents(each)
    return found


def held_bytes(tensors: list[Tensor], shared: list[Tensor]) -> int:
    """How much memory tensors take, apart from those that are shared."""
    elsewhere = {each.untyped_storage().data_ptr() for each in shared}
    storages = {each.untyped_storage().data_ptr(): each.untyped_storage() for each in tensors}
    return sum(each.nbytes() for at, each in storages.items() if at not in elsewhere)


@pytest.fixture
def rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every map is made again in full precision, as weak ones are on a processor with bf16."""
    init = split_pass.RoundedForwardPass.__init__

    def in_low_precision(self, network, layers, x, _is_exact=False, **options):
        init(self, network, layers, x, False, **options)

    monkeypatch.setattr(split_pass.RoundedForwardPass, "__init__", in_low_precision)
    monkeypatch.setattr(
        split_pass, "_shows_rounding", lambda _method, maps, *_: torch.ones(len(maps), dtype=bool)
    )


@pytest.mark.usefixtures("rounded")
def test_an_answered_session_keeps_no_graph_of_its_weak_maps() -> None:
    model = ResNet50FineTuned.from_checkpoint()
    film = Radiograph(draw_phantom(3, size=320).pixels)
    questions = [
        PageQuestion("model", Question(name, detail="finest")) for name in model.class_names
    ]
    other, session = (Session.of({"model": model}, film, name) for name in ("other", "film"))
    other.answer(questions[0])
    answers = [session.answer(question) for question in questions]
    assert isinstance(session.examination("model").forward_pass, GraphForwardPass)
    held, shared = tensors_below(session, answers), tensors_below(model, other)
    assert 1_000_000 < held_bytes(held, shared) < 3_300_000
    own = {id(each) for each in shared}
    assert not any(each.requires_grad for each in held if id(each) not in own)
    again = session.answer(questions[1])
    assert (again.heatmap == answers[1].heatmap).all()
