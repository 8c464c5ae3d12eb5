"""The page's JavaScript: its types, and what of it needs no page."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop(f"{command[0]} is not installed (Debian: nodejs, node-typescript)")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_agree() -> None:
    run("tsc", "--project", "tsconfig.json")


def test_what_needs_no_page() -> None:
    run("node", "--test", "tests/javascript")
