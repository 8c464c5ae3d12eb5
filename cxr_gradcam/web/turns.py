"""Who computes next, where many visitors ask one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count
from threading import Condition


class Urgency(IntEnum):
    """What waits for a turn; the least number comes first."""

    FIRST_MAP = 0
    QUESTION = 1
    SLOW_METHOD = 2


class Turns:
    """Lets one thread compute at a time, which uses all cores: the most urgent, then the first.

    A lesson's visitors all have their first map before anyone's further questions, and slow methods
    use the time that is left.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._arrivals = count()
        self._waiting: list[tuple[Urgency, int]] = []
        self._is_taken = False

    @contextmanager
    def turn(self, urgency: Urgency) -> Iterator[Callable[[], None]]:
        """Wait for a turn, and end it afterwards. Turns are not nested.

        Args:
            urgency: what is computed.

        Yields:
            What long work calls now and then: it lets those pass that are more urgent.
        """
        mine = urgency, next(self._arrivals)
        self._take(mine)
        try:
            yield lambda: self._give_way(mine)
        finally:
            self._end()

    def _take(self, mine: tuple[Urgency, int]) -> None:
        with self._condition:
            heappush(self._waiting, mine)
            self._condition.wait_for(lambda: not self._is_taken and self._waiting[0] == mine)
            heappop(self._waiting)
            self._is_taken = True

    def _end(self) -> None:
        with self._condition:
            self._is_taken = False
            self._condition.notify_all()

    def _give_way(self, mine: tuple[Urgency, int]) -> None:
        with self._condition:
            is_asked = bool(self._waiting) and self._waiting[0] < mine
        if is_asked:
            self._end()
            self._take(mine)


TURNS = Turns()
"""The turns of this process, whose cores all pages share."""
