"""What node and DICOMweb count, and the line that tells of it."""

from __future__ import annotations

from collections import Counter
from threading import Lock

NAMES = ("received", "repeated", "refused", "explained", "failed", "sent", "retried", "left_out")
"""Images received, received again, refused, explained or failed; objects sent, tried again, and
left out because their destination takes no such objects."""


class Counters:
    """Counts events of several threads."""

    def __init__(self) -> None:
        self._lock, self._counts = Lock(), Counter[str]()

    def add(self, name: str) -> None:
        """Count an event, by one of `NAMES`."""
        with self._lock:
            self._counts[name] += 1

    def __getitem__(self, name: str) -> int:
        """Return how often an event was counted."""
        with self._lock:
            return self._counts[name]

    def line(self) -> str:
        """Return all counts in one line, as name=count."""
        return " ".join(f"{name}={self[name]}" for name in NAMES)
