"""How the server's memory is given back."""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8  # of mallopt, in glibc's malloc.h
_ARENAS = 2


def bound_arenas() -> bool:
    """Let the server's threads share glibc's pools of free memory.

    Each thread would get a pool of its own, in which what one visitor's picture took stays when
    the next one's is read by another thread.

    Returns:
        Whether it was possible: other C libraries have no such pools.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS))
    except (OSError, AttributeError):
        return False
