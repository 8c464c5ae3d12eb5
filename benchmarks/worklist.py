"""A worklist of 50 files in the browser, against the command line for the same files."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import cv2
from playwright.sync_api import Page
from rich.console import Console
from rich.table import Table

from benchmarks.browser import MINUTE_MS, chromium, serving
from benchmarks.timing import interleave, median_ratio, processor
from cxr_gradcam.batch.files import explain_files
from cxr_gradcam.batch.sources import find_sources
from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.synthetic.chest import draw_phantom
from cxr_gradcam.web.page import Page as ViewerPage

PAGE, COMMAND, LIBRARY = "worklist in the page", "explain --table", "the same without its start"
SIZES = (1024, 1536, 2048)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worklist", description=__doc__)
    parser.add_argument("--folder", type=Path, help="files to take; phantoms where left out")
    parser.add_argument("--files", type=int, default=50, help="phantoms to draw")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = ResNet50FineTuned.from_checkpoint()
    with (
        TemporaryDirectory() as made,
        serving(ViewerPage(model)) as url,
        chromium() as browser,
    ):
        folder = options.folder or _phantoms(Path(made), options.files)
        page = browser.new_page()
        page.set_default_timeout(10 * MINUTE_MS)
        page.goto(url)
        page.wait_for_selector("#viewer .panels canvas", state="attached")
        measures = {
            PAGE: lambda: _in_page(page, folder),
            COMMAND: lambda: _by_command(folder, Path(made) / "table.csv"),
            LIBRARY: lambda: _by_library(model, folder),
        }
        times = interleave(measures, options.rounds, warm_up=1)
        console = Console(highlight=False)
        console.print(_table(times, len(find_sources([folder]))))
        console.print(f"Chromium {browser.version}, {processor()}; in turn; median of ratios.")


def _phantoms(folder: Path, files: int) -> Path:
    films = folder / "films"
    films.mkdir()
    for seed in range(files):
        pixels = draw_phantom(seed, size=SIZES[seed % len(SIZES)], opacity=seed % 2 == 0).pixels
        cv2.imwrite(str(films / f"{seed:03}.jpg"), quantize(pixels))
    return films


def _in_page(page: Page, folder: Path) -> float:
    start = perf_counter()
    page.set_input_files("#folder input", folder)
    page.wait_for_function(
        "/^\\d+ done/.test(document.querySelector('#worklist .state').textContent)"
    )
    elapsed = 1000 * (perf_counter() - start)
    page.get_by_role("button", name="Close list").click()
    page.locator("#worklist .state").evaluate("state => { state.textContent = '' }")
    return elapsed


def _by_command(folder: Path, table: Path) -> float:
    table.unlink(missing_ok=True)
    command = [sys.executable, "-m", "cxr_gradcam", "explain", str(folder), "--table", str(table)]
    start = perf_counter()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own
    return 1000 * (perf_counter() - start)


def _by_library(model: ResNet50FineTuned, folder: Path) -> float:
    start = perf_counter()
    for _ in explain_files(model, find_sources([folder])):
        pass
    return 1000 * (perf_counter() - start)


def _table(times: dict[str, list[float]], files: int) -> Table:
    table = Table("way", "median s", "page's time / its", title=f"{files} files, all answered")
    for name, elapsed in times.items():
        ratio = f"{median_ratio(times[PAGE], elapsed):.2f}"
        table.add_row(name, f"{median(elapsed) / 1000:.1f}", ratio)
    return table


if __name__ == "__main__":
    main()
