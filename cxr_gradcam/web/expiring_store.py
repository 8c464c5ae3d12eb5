"""A store whose items are removed if nobody fetches them within minutes."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from secrets import token_hex
from threading import Lock
from typing import Any, Generic, TypeVar

_SWEEP = 30.0  # seconds between two removals of expired items

T = TypeVar("T")


class ExpiringStore(Generic[T]):
    """Keep items for minutes, each under a name that nobody can guess.

    Args:
        size: returns the size of an item in bytes.
        max_bytes: greatest total size; above it, the oldest items are removed first. The newest is
            always kept.
        seconds: how long an item is kept.
        on_removal: called with each removed item.
    """

    def __init__(
        self,
        size: Callable[[T], int],
        max_bytes: int,
        seconds: float = 300.0,
        on_removal: Callable[[T], None] = lambda _: None,
    ) -> None:
        self._size, self._max_bytes, self._seconds = size, max_bytes, seconds
        self._on_removal = on_removal
        self._items: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self._lock = Lock()

    def put(self, item: T) -> str:
        """Keep an item, and return its name."""
        name = token_hex(16)
        with self._lock:
            self._items[name] = time.monotonic(), item
            self._make_room()
        return name

    def get(self, name: str) -> T | None:
        """Return the item with a name; None if there is none, or it has expired."""
        with self._lock:
            self._remove_expired()
            _, item = self._items.get(name, (0.0, None))
        return item

    def remove(self, name: str) -> None:
        """Remove the item with a name, if there is one."""
        with self._lock:
            if name in self._items:
                self._remove(name)

    def remove_expired(self) -> None:
        """Remove the expired items."""
        with self._lock:
            self._remove_expired()

    def clear(self) -> None:
        """Remove all items."""
        with self._lock:
            for name in list(self._items):
                self._remove(name)

    def __len__(self) -> int:
        """Return how many items are kept."""
        return len(self._items)

    def _remove(self, name: str) -> None:
        self._on_removal(self._items.pop(name)[1])

    def _remove_expired(self) -> None:
        oldest = time.monotonic() - self._seconds
        while self._items and next(iter(self._items.values()))[0] <= oldest:
            self._remove(next(iter(self._items)))

    def _make_room(self) -> None:
        sizes = {name: self._size(item) for name, (_, item) in self._items.items()}
        total = sum(sizes.values())
        for name in list(sizes)[:-1]:
            if total > self._max_bytes:
                total -= sizes[name]
                self._remove(name)


@asynccontextmanager
async def expiring(*stores: ExpiringStore[Any]) -> AsyncIterator[None]:
    """Remove expired items regularly, and all items at the end."""

    async def sweep() -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            for store in stores:
                store.remove_expired()

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
        for store in stores:
            store.clear()
