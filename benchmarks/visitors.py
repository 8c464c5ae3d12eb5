"""The page as a Space runs it, with many visitors: the memory of the server, the time to a map."""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser
from rich.console import Console
from rich.table import Table

from benchmarks.browser import chromium
from benchmarks.looking import FILE_FIELD, write_film
from benchmarks.timing import processor

ROOT = Path(__file__).parents[1]
MEGABYTE = 1024  # of the kB in /proc
MINUTES_MS = 180_000


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.visitors", description=__doc__)
    parser.add_argument("--visitors", type=int, default=20, help="each with a film of his own open")
    parser.add_argument("--model", action="append", default=[], help="as of app.py")
    options = parser.parse_args()
    words = [word for source in options.model for word in ("--model", source)]
    table = Table("visitors", "server MB", "peak MB", "median s to the map", "slowest")
    table.title = f"app.py {' '.join(Path(word).name for word in words)}"
    with TemporaryDirectory() as folder, chromium() as browser, served(Path(folder), words) as it:
        url, process = it
        table.add_row("0", *(f"{size:.0f}" for size in resident(process)), "", "")
        elapsed: list[float] = []
        for number in range(1, options.visitors + 1):
            film = Path(folder) / f"{number}.dcm"
            write_film(film, rows=2500, columns=2048, bits=12, seed=number)
            elapsed.append(visit(browser, url, film))
            film.unlink()
            if number in (1, options.visitors // 2, options.visitors):
                sizes = (f"{size:.0f}" for size in resident(process))
                table.add_row(str(number), *sizes, f"{median(elapsed):.1f}", f"{max(elapsed):.1f}")
    Console(highlight=False).print(table)
    Console(highlight=False).print(
        f"2,048 x 2,500 films of 12 bits, all of them open at the end; {processor()}"
    )


def visit(browser: Browser, url: str, film: Path) -> float:
    """Open a film in a page that stays open; return the seconds until its map is there."""
    page = browser.new_context(viewport={"width": 800, "height": 600}).new_page()
    page.set_default_timeout(MINUTES_MS)
    page.goto(url, wait_until="domcontentloaded")
    page.locator(FILE_FIELD).wait_for(state="attached")
    start = time.perf_counter()
    page.locator(FILE_FIELD).set_input_files(film)
    page.locator("#viewer .viewer[data-shown]").wait_for()
    page.locator("#answer dl").wait_for()
    return time.perf_counter() - start


@contextmanager
def served(folder: Path, words: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Start app.py with a Space's variables; yield its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "SYSTEM": "spaces",
        "SPACE_ID": "somebody/chest-xray-viewer",
        "HF_HUB_OFFLINE": "1",
    }
    app = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "app.py", *words],
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", app.pid
    finally:
        app.terminate()
        app.wait(30)


def _wait(url: str) -> None:
    for _ in range(240):
        try:
            with urlopen(url, timeout=30):  # noqa: S310 - this machine
                return
        except URLError:
            time.sleep(0.5)
    raise RuntimeError("the app did not start within two minutes")


def resident(process: int) -> tuple[float, float]:
    """Return the MB that a process takes now, and those that it took at its peak."""
    status = Path(f"/proc/{process}/status").read_text()
    sizes = (re.search(rf"{name}:\s+(\d+) kB", status) for name in ("VmRSS", "VmHWM"))
    now, peak = (int(size[1]) / MEGABYTE if size else 0.0 for size in sizes)
    return now, peak


if __name__ == "__main__":
    main()
