"""Things that wait in memory until the browser fetches them."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from secrets import token_hex
from threading import Lock
from typing import Any, Generic, TypeVar

_SWEEP = 30.0  # seconds

T = TypeVar("T")


class Held(Generic[T]):
    """Holds things for minutes, each under a name that nobody can guess.

    Args:
        size: tells how many bytes a thing takes.
        budget: bytes held at most; beyond, the oldest go first. The newest is held in any case.
        seconds: how long a thing waits.
    """

    def __init__(self, size: Callable[[T], int], budget: int, seconds: float = 300.0) -> None:
        self._size, self._budget, self._seconds = size, budget, seconds
        self._held: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self._lock = Lock()

    def put(self, thing: T) -> str:
        """Hold a thing, and return its name."""
        name = token_hex(16)
        with self._lock:
            self._held[name] = time.monotonic(), thing
            self._make_room()
        return name

    def get(self, name: str) -> T | None:
        """Return what is held under a name; None for nothing."""
        with self._lock:
            self._forget()
            _, thing = self._held.get(name, (0.0, None))
        return thing

    def drop(self, name: str) -> None:
        """Hold a thing no longer."""
        with self._lock:
            self._held.pop(name, None)

    def forget(self) -> None:
        """Drop what has waited too long."""
        with self._lock:
            self._forget()

    def __len__(self) -> int:
        """Return how many things are held."""
        return len(self._held)

    def _forget(self) -> None:
        oldest = time.monotonic() - self._seconds
        while self._held and next(iter(self._held.values()))[0] <= oldest:
            self._held.popitem(last=False)

    def _make_room(self) -> None:
        size = sum(self._size(thing) for _, thing in self._held.values())
        while size > self._budget and len(self._held) > 1:
            _, (_, thing) = self._held.popitem(last=False)
            size -= self._size(thing)


@asynccontextmanager
async def sweeping(*held: Held[Any]) -> AsyncIterator[None]:
    """Drop what has waited too long, also where nobody asks for anything."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            for each in held:
                each.forget()

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
