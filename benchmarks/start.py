"""From the command to a page that answers, and from a chosen file to the answer on the page."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from urllib.error import URLError
from urllib.request import urlopen

import cv2
import torch
from playwright.sync_api import Page
from rich.console import Console
from rich.table import Table
from torchvision.models import densenet121

from benchmarks.browser import MINUTE_MS, SEED, SIZE, chromium, serving
from benchmarks.timing import interleave, median_ratio, processor
from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.synthetic.chest import draw_phantom
from cxr_gradcam.web.page import Page as ViewerPage

ROOT = Path(__file__).parents[1]
HERE, WITH_TOOLS = "this version", "this version, --mcp"
BUNDLED, DENSENET = "bundled ResNet50, 2 classes", "DenseNet121, 18 findings, random weights"
FINDINGS = 18

# Gives the ms until the map of a file that is chosen next is drawn.
LISTEN = """
() => {
  window.mapped = null;
  document.querySelector(".viewer").addEventListener(
    "map", () => { window.mapped = performance.now(); }, { once: true });
}
"""


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--against", metavar="COMMIT", help="another version, started in turn")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    console = Console(highlight=False)
    with _checkouts(options.against) as versions:
        starts = interleave(
            {name: version.start for name, version in versions.items()}, options.rounds, warm_up=1
        )
    console.print(_table("Command to answering page", starts, HERE))
    for name, version in versions.items():
        console.print(f"{name}: {median(version.cpu_seconds[1:]):.1f} s of processors, median")
    answers = _answers(4 * options.rounds)
    console.print(_table(f"File of {SIZE} x {SIZE} to answer and map", answers, BUNDLED))
    console.print(f"{processor()}; in turn; ratio: median of the rounds' ratios.")


@dataclass
class Version:
    """app.py of a checkout, and the seconds of processors that each start took."""

    folder: Path
    options: tuple[str, ...] = ()
    cpu_seconds: list[float] = field(default_factory=list)

    def start(self) -> float:
        """Start it; give the ms until the page answers."""
        with TemporaryDirectory() as uploads:
            port = _free_port()
            settings = {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": uploads}
            start = perf_counter()
            app = subprocess.Popen(  # noqa: S603 - our own
                [sys.executable, "app.py", *self.options],
                cwd=self.folder,
                env=os.environ | settings | {"PYTHONPATH": str(self.folder)},
                stdout=subprocess.DEVNULL,
            )
            try:
                _wait(f"http://127.0.0.1:{port}", app)
                elapsed = 1000 * (perf_counter() - start)
            finally:
                app.terminate()
                _, _, used = os.wait4(app.pid, 0)
            self.cpu_seconds.append(used.ru_utime + used.ru_stime)
            return elapsed


@contextmanager
def _checkouts(against: str | None) -> Iterator[dict[str, Version]]:
    """Yield the versions that are started, by their names."""
    ours = {HERE: Version(ROOT), WITH_TOOLS: Version(ROOT, ("--mcp",))}
    if against is None:
        yield ours
        return
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "other"
        git = ["git", "-C", str(ROOT), "worktree"]
        _run([*git, "add", "--detach", str(tree), against])
        try:
            yield ours | {against: Version(tree)}
        finally:
            _run([*git, "remove", "--force", str(tree)])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait(url: str, app: subprocess.Popen[bytes]) -> None:
    while app.poll() is None:
        try:
            with urlopen(url) as answer:  # noqa: S310 - this machine
                answer.read()
                return
        except URLError:
            sleep(0.02)
    raise RuntimeError("app.py ended before it answered")


def _answers(rounds: int) -> dict[str, list[float]]:
    """Measure the page with each model in turn."""
    models: dict[str, Classifier] = {
        BUNDLED: ResNet50FineTuned.from_checkpoint(),
        DENSENET: _densenet(),
    }
    with TemporaryDirectory() as folder, chromium() as browser:
        film = Path(folder) / "phantom.png"
        cv2.imwrite(str(film), quantize(draw_phantom(SEED, size=SIZE, opacity=True).pixels))
        with (
            serving(ViewerPage(models[BUNDLED])) as ours,
            serving(ViewerPage(models[DENSENET])) as theirs,
        ):
            pages = {}
            for name, url in ((BUNDLED, ours), (DENSENET, theirs)):
                pages[name] = browser.new_page()
                pages[name].set_default_timeout(MINUTE_MS)
                pages[name].goto(url)
                pages[name].wait_for_selector("#viewer .panels canvas", state="attached")
            measures = {name: partial(_answer, page, film) for name, page in pages.items()}
            return interleave(measures, rounds)


def _densenet() -> CAM:
    torch.manual_seed(0)
    names = tuple(f"finding {number}" for number in range(1, FINDINGS + 1))
    return CAM(
        densenet121(num_classes=FINDINGS).eval(),
        class_names=names,
        preprocessing=Preprocessing(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        multi_label=True,
    )


def _answer(page: Page, film: Path) -> float:
    page.bring_to_front()  # a page behind another gets no animation frames
    page.evaluate(LISTEN)
    start: float = page.evaluate("performance.now()")
    page.locator("#upload input[type=file]").set_input_files(film)
    page.wait_for_function("window.mapped !== null")
    end: float = page.evaluate("window.mapped")
    page.locator("#answer h2").wait_for()
    return end - start


def _table(title: str, times: dict[str, list[float]], base: str) -> Table:
    table = Table("what", "median s", "least s", "ratio", title=title)
    for name, elapsed in times.items():
        ratio = f"{median_ratio(elapsed, times[base]):.2f}"
        table.add_row(name, f"{median(elapsed) / 1000:.2f}", f"{min(elapsed) / 1000:.2f}", ratio)
    return table


if __name__ == "__main__":
    main()
