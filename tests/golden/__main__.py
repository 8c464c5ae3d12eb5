"""Keep what the product says now: `python -m tests.golden`. See what changed by `git diff`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.golden.keeping import keep
from tests.golden.records import PARTS, Records

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    records = Records(Path(folder))
    for part in PARTS:
        keep(part, getattr(records, part)())
    os.chdir("/")
