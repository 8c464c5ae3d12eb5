"""What waits in memory goes when it is fetched, when there is no room, or when its time is over."""

from __future__ import annotations

import asyncio

import pytest

from cxr_gradcam.web import expiring_store
from cxr_gradcam.web.expiring_store import ExpiringStore, expiring
from tests.helpers.patience import PATIENCE
from tests.helpers.threads import in_thread


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(expiring_store.time, "monotonic", lambda: now[0])
    return now


def test_a_thing_is_there_until_it_is_dropped() -> None:
    store = ExpiringStore[str](len, 100)
    first, second = store.put("a"), store.put("b")
    assert first != second
    assert (store.get(first), store.get("c")) == ("a", None)
    store.remove(first)
    assert (store.get(first), len(store)) == (None, 1)


def test_nothing_is_there_when_its_time_is_over(clock: list[float]) -> None:
    store = ExpiringStore[str](len, 100, seconds=300)
    old = store.put("a")
    clock[0] = 299
    young = store.put("b")
    clock[0] = 300
    assert (store.get(old), store.get(young)) == (None, "b")
    clock[0] = 599
    store.remove_expired()
    assert len(store) == 0


def test_the_oldest_make_room_for_the_newest() -> None:
    store = ExpiringStore[str](len, 4)
    names = [store.put(text) for text in ("aa", "bb", "c", "more than all")]
    assert [store.get(name) for name in names] == [None, None, None, "more than all"]


def test_what_nobody_fetches_is_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiring_store, "_SWEEP", 0.01)
    store = ExpiringStore[str](len, 100, seconds=0.02)
    store.put("a")

    async def wait() -> None:
        async with expiring(store):
            while len(store):
                await asyncio.sleep(0.01)

    in_thread(asyncio.run, asyncio.wait_for(wait(), PATIENCE))


def test_what_goes_is_told(clock: list[float]) -> None:
    gone: list[str] = []
    store = ExpiringStore[str](len, 4, seconds=10, on_removal=gone.append)
    store.put("aaa")
    fetched = store.put("bb")  # "aaa" makes room
    store.remove(fetched)
    store.put("c")
    clock[0] = 10
    store.remove_expired()
    store.put("d")
    store.clear()
    assert gone == ["aaa", "bb", "c", "d"]
    assert len(store) == 0
