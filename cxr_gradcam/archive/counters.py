"""Counters of the node, which its log repeats in one line."""

from __future__ import annotations

from collections import Counter
from threading import Lock

NAMES = ("received", "repeated", "refused", "explained", "failed", "sent", "retried", "left_out")
"""Instances: received for the first time or again, refused, explained, failed. Results: sent, tried
again, and left out because the destination supports no such objects."""


class Counters:
    """Counts the events of several threads."""

    def __init__(self) -> None:
        self._lock, self._counts = Lock(), Counter[str]()

    def add(self, name: str) -> None:
        """Count an event.

        Args:
            name: one of `NAMES`.
        """
        with self._lock:
            self._counts[name] += 1

    def __getitem__(self, name: str) -> int:
        """Return how often an event was counted."""
        with self._lock:
            return self._counts[name]

    def line(self) -> str:
        """Return all counts in one line, as name=count."""
        return " ".join(f"{name}={self[name]}" for name in NAMES)
