"""The README's first command, from the last step on: app.py starts, and the page is there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(tmp_path)}
    app = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=os.environ | settings, stdout=subprocess.DEVNULL
    )
    yield f"http://127.0.0.1:{port}"
    app.terminate()
    app.wait(30)


def test_the_app_starts_with_what_the_repository_holds(address: str) -> None:
    assert b"Chest X-ray viewer" in fetch(address)


def fetch(address: str) -> bytes:
    for _ in range(240):
        try:
            with urlopen(address, timeout=30) as page:
                return page.read()
        except URLError:
            time.sleep(0.5)
    pytest.fail("the app did not start within two minutes")
