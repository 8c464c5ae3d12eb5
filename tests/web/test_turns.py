"""Who computes next: the most urgent, then the first; slow work lets others pass."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from cxr_gradcam.web.session import Turns, Urgency
from tests.helpers.patience import PATIENCE


def waits(turns: Turns, urgency: Urgency, name: str, done: list[str]) -> None:
    with turns.turn(urgency):
        done.append(name)


def let_wait(turns: Turns, pool: ThreadPoolExecutor, done: list[str]) -> list[Future[None]]:
    """Let a slow method, two questions and two first maps wait, in this order."""
    asked = [
        (Urgency.SLOW_METHOD, "slow"),
        (Urgency.QUESTION, "question 1"),
        (Urgency.QUESTION, "question 2"),
        (Urgency.FIRST_MAP, "map 1"),
        (Urgency.FIRST_MAP, "map 2"),
    ]
    waiting = []
    for number, (urgency, name) in enumerate(asked, start=len(turns._waiting) + 1):
        waiting.append(pool.submit(waits, turns, urgency, name, done))
        while len(turns._waiting) < number:  # until it waits
            Event().wait(0.001)
    return waiting


def test_first_maps_come_before_questions_and_slow_methods_last() -> None:
    turns, done = Turns(), list[str]()
    with ThreadPoolExecutor(5) as pool:
        with turns.turn(Urgency.QUESTION):
            waiting = let_wait(turns, pool, done)
            assert done == []
        for each in waiting:
            each.result(PATIENCE)
    assert done == ["map 1", "map 2", "question 1", "question 2", "slow"]


def test_a_slow_method_lets_those_pass_that_are_more_urgent() -> None:
    turns, done = Turns(), list[str]()
    with ThreadPoolExecutor(5) as pool:
        with turns.turn(Urgency.SLOW_METHOD) as give_way:
            waiting = let_wait(turns, pool, done)
            give_way()
            assert done == ["map 1", "map 2", "question 1", "question 2"]
            give_way()  # another slow method waits until this one has ended
            assert len(done) == 4
        for each in waiting:
            each.result(PATIENCE)
    assert done[-1] == "slow"


def test_a_turn_that_fails_ends() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="no map"), turns.turn(Urgency.QUESTION):
        raise ValueError("no map")
    with turns.turn(Urgency.SLOW_METHOD):
        pass
