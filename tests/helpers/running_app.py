"""app.py in a process of its own, as README and a Space start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class RunningApp:
    """A started app.py: where it answers, and its process's number."""

    address: str
    process: int


@contextmanager
def running_app(folder: Path, settings: Mapping[str, str]) -> Iterator[RunningApp]:
    """Start app.py of a folder, with environment variables besides."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=folder,
        env=os.environ | {"GRADIO_SERVER_PORT": str(port)} | dict(settings),
        stdout=subprocess.DEVNULL,
    )
    try:
        yield RunningApp(f"http://127.0.0.1:{port}", app.pid)
    finally:
        app.terminate()
        app.wait(30)


def fetch(address: str) -> bytes:
    """Return what an address answers with, as soon as it does."""
    for _ in range(240):
        try:
            with urlopen(address, timeout=30) as page:
                return page.read()
        except URLError:
            time.sleep(0.5)
    pytest.fail("the app did not start within two minutes")
