"""Records as files beside the tests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_INNERMOST = re.compile(r"\[[^][{}]*\]|\{[^][{}]*\}|\[(?:\s*\[[^][{}]*\],?)+\s*\]")
"""Lists and objects without others in them, and lists of such lists."""

_LINE = 200
"""Characters of a line: what is longer stands one value a line."""

FOLDER = Path(__file__).parent / "kept"


def keep(part: str, records: Any) -> None:
    """Write a part, one short value a line so that a change is seen where it is."""
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(_rounded(records), ensure_ascii=False, indent=1)
    text = _INNERMOST.sub(_on_one_line, text)
    (FOLDER / f"{part}.json").write_text(f"{text}\n", "utf-8")


def _on_one_line(found: re.Match[str]) -> str:
    line = " ".join(found[0].split())
    return line if len(line) < _LINE else found[0]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def kept(part: str) -> Any:
    """Return a part as it was written."""
    return json.loads((FOLDER / f"{part}.json").read_text("utf-8"))
