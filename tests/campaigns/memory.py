"""What a process takes of the machine's memory."""

from __future__ import annotations

import re
from pathlib import Path

_MEGABYTE = 1024  # of the kB in /proc


def proportional(process: int) -> int:
    """Return the MB that a process takes, of shared pages its share (Linux only)."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text("ascii")
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) // _MEGABYTE if found else 0
