"""Records beside those that are kept: texts, keys and their order exactly, numbers nearly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TOLERANCE = 2e-3
"""Of numbers, of the larger of them and 1: what processors and libraries differ by."""

_NUMBER = re.compile(r"(?<![\w.])-?\d+\.\d+(?:e[-+]?\d+)?(?![\w.])")


def differences(kept: Any, now: Any, at: str = "") -> Iterator[str]:
    """Yield a line for everything that is not as it is kept.

    Args:
        kept: in types that JSON has.
        now: in types that JSON has.
        at: where both stand.
    """
    if isinstance(kept, dict) and isinstance(now, dict):
        if [*kept] != [*now]:
            yield f"{at}: keys {[*now]}, kept {[*kept]}"
        for key in kept.keys() & now.keys():
            yield from differences(kept[key], now[key], f"{at}/{key}")
    elif isinstance(kept, list) and isinstance(now, list):
        if len(kept) != len(now):
            yield f"{at}: {len(now)} values, kept {len(kept)}"
        for index, pair in enumerate(zip(kept, now, strict=False)):
            yield from differences(*pair, f"{at}/{index}")
    elif not _is_same(kept, now):
        yield f"{at}: {now!r}, kept {kept!r}"


def _is_same(kept: Any, now: Any) -> bool:
    if isinstance(kept, float) and isinstance(now, float):
        return _is_near(kept, now)
    if not isinstance(kept, str) or not isinstance(now, str):
        return type(kept) is type(now) and kept == now
    if _NUMBER.sub("#", kept) != _NUMBER.sub("#", now):
        return False
    pairs = zip(_NUMBER.findall(kept), _NUMBER.findall(now), strict=True)
    return all(_is_near(float(one), float(other)) for one, other in pairs)


def _is_near(kept: float, now: float) -> bool:
    return abs(kept - now) <= TOLERANCE * max(1, abs(kept), abs(now))
