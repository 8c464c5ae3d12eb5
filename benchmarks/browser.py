"""The browser: opacity, window, zoom, opening and memory, beside plain Gradio images."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserType, Page, Request, sync_playwright
from rich.console import Console
from rich.table import Table

from benchmarks import looking
from benchmarks.timing import WARM_UP, interleave, median_ratio, processor
from cxr_gradcam.explanation import explain
from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.synthetic.chest import draw_phantom
from cxr_gradcam.web.page import LAUNCH
from cxr_gradcam.web.page import Page as ViewerPage

SIZE, SEED = 1024, 1
OURS, PLAIN = "cxr-gradcam", "plain gr.Image"
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
MINUTE_MS = 60_000
SETTLED_MS = 500  # requests that trail a step still count as the step's

# Moves the slider and gives the ms until `shown` is another string; null means not yet.
STEP = """
(value) => new Promise((done, fail) => {
  const slider = document.querySelector("%(slider)s");
  const shown = () => %(shown)s;
  const before = shown();
  setTimeout(() => fail(new Error("the picture did not change within a minute")), 60000);
  const start = performance.now();
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  const look = () => {
    const now = shown();
    if (now !== null && now !== before) done(performance.now() - start);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})
"""
OURS_STEP = STEP % {
    "slider": "#viewer input[type=range]",
    "shown": """(() => {
      const canvas = document.querySelector("#viewer [data-panel=overlay] canvas");
      const [x, y] = [canvas.width >> 1, canvas.height >> 1];
      return canvas.getContext("2d").getImageData(x, y, 1, 1).data.join();
    })()""",
}
PLAIN_STEP = STEP % {
    "slider": "#opacity input[type=range]",
    "shown": """(() => {
      const image = document.querySelector("#overlay img");
      return image?.complete && image.naturalWidth ? image.src : null;
    })()""",
}

# A string that every picture changes.
SHOWN = {
    OURS: 'document.querySelector("#viewer .viewer").dataset.shown ?? ""',
    PLAIN: """(() => {
      const image = document.querySelector("#overlay img");
      return image?.complete && image.naturalWidth ? image.src : null;
    })()""",
}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="measured slider steps per version")
    options = parser.parse_args()
    model = ResNet50FineTuned.from_checkpoint()
    with (
        TemporaryDirectory() as folder,
        serving(ViewerPage(model)) as ours_url,
        serving(build_plain_interface(model)) as plain_url,
        chromium() as browser,
    ):
        radiograph = Path(folder) / "phantom.png"
        pixels = draw_phantom(SEED, size=SIZE, opacity=True).pixels
        cv2.imwrite(str(radiograph), quantize(pixels))
        sliders = {
            OURS: Slider(_loaded(browser, ours_url, radiograph, "#viewer .filled"), OURS_STEP),
            PLAIN: Slider(_loaded(browser, plain_url, radiograph, "#overlay img"), PLAIN_STEP),
        }
        measures = {name: slider.step for name, slider in sliders.items()}
        times = interleave(measures, options.steps)
        console = Console(highlight=False)
        console.print(_table(times, sliders))
        _look(console, Path(folder), ours_url, sliders, options.steps)
        console.print(_circumstances(browser, options.steps), soft_wrap=True)


def _look(console: Console, folder: Path, url: str, sliders: dict[str, Slider], steps: int) -> None:
    """Measure large films: the redraws, the opening beside plain images, the memory."""
    large, usual = folder / "3,000 x 3,000 of 16 bits.dcm", folder / "2,048 x 2,500 of 12 bits.dcm"
    looking.write_film(large, rows=3000, columns=3000, bits=16)
    other = folder / "another.dcm"
    for seed, path in enumerate((usual, other)):
        looking.write_film(path, rows=2500, columns=2048, bits=12, seed=seed)
    pages = {name: (slider.page, SHOWN[name]) for name, slider in sliders.items()}
    console.print(looking.opening(pages, (usual, other), rounds=max(5, steps // 2)))
    kind = sliders[OURS].page.context.browser.browser_type  # type: ignore[union-attr]
    for slider in sliders.values():
        slider.page.close()
    browser = _started(kind)  # of its own: no other tab shares its processes
    console.print(looking.memory(browser, url, large))
    console.print(looking.redraws(browser, url, large, 10 * steps))
    browser.close()


def build_plain_interface(model: ResNet50FineTuned) -> gr.Blocks:
    """Build the same three panels of Gradio's own parts: the server blends at every step."""

    def analyse(path: str) -> tuple[object, ...]:
        radiograph = read_radiograph(path)
        heatmap = explain(model, radiograph).heatmap
        original = as_rgb(radiograph.pixels)
        pictures = original, colorize(heatmap), overlay(original, heatmap)
        return *pictures, (original, heatmap)

    def blend(
        shown: tuple[NDArray[np.uint8], NDArray[np.float32]], percent: float
    ) -> NDArray[np.uint8]:
        return overlay(*shown, alpha=percent / 100)

    page = gr.Blocks(analytics_enabled=False, delete_cache=(3600, 3600))
    with page:
        shown = gr.State()
        upload = gr.File(label="Chest X-ray", elem_id="upload")
        opacity = gr.Slider(0, 100, 50, step=1, label="Opacity", elem_id="opacity")
        with gr.Row():
            original, heatmap = gr.Image(label="Original"), gr.Image(label="Heat map")
            blended = gr.Image(label="Overlay", elem_id="overlay")
        analysed = upload.upload(analyse, upload, [original, heatmap, blended, shown])
        analysed.then(None, None, upload, js="() => null")  # ready for the next file, as ours
        opacity.input(
            blend, [shown, opacity], blended, show_progress="hidden", trigger_mode="always_last"
        )
    return page


@dataclass
class Slider:
    """An opacity slider in a loaded page, and the requests that each step caused."""

    page: Page
    script: str
    requests: list[int] = field(default_factory=list)
    steps: Iterator[int] = field(default_factory=count)

    def step(self) -> float:
        """Move the slider by one step; give the ms until the new picture shows."""
        sent: list[Request] = []

        def note(request: Request) -> None:
            sent.append(request)

        self.page.bring_to_front()  # a page behind another gets no animation frames
        self.page.on("request", note)
        elapsed: float = self.page.evaluate(self.script, (30 + 7 * next(self.steps)) % 100)
        self.page.wait_for_timeout(SETTLED_MS)
        self.page.remove_listener("request", note)
        self.requests.append(len(sent))
        return elapsed


@contextmanager
def serving(page: gr.Blocks) -> Iterator[str]:
    """Serve a page on a free port of this machine; give its address."""
    # The same settings for both: their fonts are this machine's, no other server is waited for.
    _, url, _ = page.launch(**LAUNCH, prevent_thread_lock=True, quiet=True)
    try:
        yield url
    finally:
        page.close(verbose=False)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium, or Playwright's own where there is none."""
    with sync_playwright() as playwright:
        browser = _started(playwright.chromium)
        try:
            yield browser
        finally:
            browser.close()


def _started(kind: BrowserType) -> Browser:
    return kind.launch(executable_path=shutil.which("chromium"), args=list(CHROMIUM))


def _loaded(browser: Browser, url: str, radiograph: Path, answered: str) -> Page:
    page = browser.new_page()
    page.set_default_timeout(MINUTE_MS)
    page.goto(url, wait_until="domcontentloaded")
    page.locator("#upload input[type=file]").set_input_files(radiograph)
    page.locator(answered).wait_for()
    return page


def _table(times: dict[str, list[float]], sliders: dict[str, Slider]) -> Table:
    table = Table("version", "median ms", "ratio to ours", "requests per step")
    table.title = f"Opacity slider to new pixels, phantom of {SIZE} x {SIZE}"
    for name, elapsed in times.items():
        ratio = f"{median_ratio(elapsed, times[OURS]):.1f}"
        requests = f"{mean(sliders[name].requests[WARM_UP:]):.1f}"
        table.add_row(name, f"{median(elapsed):.0f}", ratio, requests)
    return table


def _circumstances(browser: Browser, steps: int) -> str:
    return (
        f"gradio {version('gradio')}, Chromium {browser.version}, {processor()}; "
        f"{steps} steps, versions in turn; ratio: median of the steps' ratios."
    )


if __name__ == "__main__":
    main()
