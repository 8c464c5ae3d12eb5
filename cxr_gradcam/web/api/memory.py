"""How the server gives memory back."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_EVERY = 20.0  # seconds


@asynccontextmanager
async def giving_back(every: float = _EVERY) -> AsyncIterator[None]:
    """Give free memory back to the system, time and again.

    Args:
        every: seconds between two times.
    """

    async def repeat() -> None:
        while await asyncio.to_thread(give_back):
            await asyncio.sleep(every)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()


def give_back() -> bool:
    """Give free memory back to the system.

    glibc keeps it, for each thread its own, and what one visitor's picture took does not serve
    the next one's that another thread reads.

    Returns:
        Whether it was possible: other C libraries have no such call.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return False
    return True
