"""app.py in a process of its own, as README and a Space start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.helpers.patience import PATIENCE, wait_until

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
        app.wait(PATIENCE)


def fetch(address: str) -> bytes:
    """Return what an address answers with, as soon as it does."""

    def answer() -> bytes | None:
        try:
            with urlopen(address, timeout=PATIENCE) as page:
                return page.read()
        except URLError:
            return None

    return wait_until(answer) or b""
