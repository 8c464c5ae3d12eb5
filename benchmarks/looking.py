"""Looking at a large film in the browser: redrawn panels, opening, and the tab's memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, Request
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid
from rich.table import Table

from benchmarks.timing import interleave
from cxr_gradcam.synthetic.chest import draw_phantom

SCREENS = ((1440, 900), (3840, 2160))
MEGABYTE = 2**20
MINUTE_MS = 60_000
READY_MS = 500  # the field takes another file a moment after the answer

# What a reader changes: JavaScript of (root, overlay's canvas, number of the step).
CHANGES = {
    "opacity": "set('.opacity input', 20 + (step * 7) % 60)",
    "threshold": "set('.threshold', (step * 7) % 60)",
    "window": "set('.level', 20000 + 500 * (step % 40))",
    "zoom": """canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: step % 20 < 10 ? -60 : 60,
      clientX: middle.x, clientY: middle.y, bubbles: true, cancelable: true }))""",
    "pan, enlarged": """canvas.dispatchEvent(new KeyboardEvent("keydown", {
      key: step % 14 < 7 ? "ArrowLeft" : "ArrowRight", bubbles: true }))""",
}
PREPARATION = {"pan, enlarged": ["0", "+", "+", "+"]}

# One change per frame, as by dragging. Gives for each the ms of work (its handler and the drawing)
# and the ms from frame to frame, and how many of the looks at the overlay were different.
SERIES = """
([steps]) => new Promise((done) => {
  const root = document.querySelector("#viewer .viewer");
  const canvas = root.querySelector("[data-panel=overlay] canvas");
  const box = canvas.getBoundingClientRect();
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const set = (selector, value) => {
    const control = root.querySelector(selector);
    control.value = value;
    control.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const look = () => canvas.getContext("2d").getImageData(0, canvas.height >> 1, canvas.width, 1);
  const looks = new Set();
  const work = [], frames = [];
  let step = 0, handled = 0, before = null, begun = null;
  const next = (frame) => {
    if (before !== null) {
      work.push(handled + performance.now() - begun);
      frames.push(frame - before);
    }
    if (step === steps) return done({ work, frames, looks: looks.size });
    if (step %% 10 === 3) looks.add(look().data.join());
    before = step %% 10 === 3 ? null : frame; // a look costs time of its own
    const start = performance.now();
    requestAnimationFrame(() => (begun = performance.now())); // before the viewer asks for its own
    %(change)s;
    handled = performance.now() - start;
    step++;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
})
"""

# Gives the ms from the file's choice to the frame after `shown` became another string.
OPENED = """
(shown) => {
  const now = () => (new Function(`return (${shown})`))();
  const before = now();
  window.opened = new Promise((done, fail) => {
    setTimeout(() => fail(new Error("no new picture within a minute")), 60000);
    const look = (start) => {
      const current = now();
      if (!current || current === before) return requestAnimationFrame(() => look(start));
      requestAnimationFrame(() => done(performance.now() - start));
    };
    const chosen = () => look(performance.now());
    addEventListener("change", chosen, { once: true, capture: true });
  });
}
"""
FILE_FIELD = "#upload input[type=file]"


@dataclass(frozen=True)
class Series:
    """Changes, one per frame: ms of work of each, ms from frame to frame, requests of them all."""

    work: list[float]
    frames: list[float]
    requests: int


def write_film(path: Path, rows: int, columns: int, bits: int, seed: int = 1) -> None:
    """Write a synthetic film as a DICOM file without a patient."""
    phantom = cv2.resize(draw_phantom(seed, size=1024, opacity=True).pixels, (columns, rows))
    noise = np.random.default_rng(1).normal(0, 0.01, phantom.shape)
    stored = np.rint(np.clip(phantom + noise, 0, 1) * (2**bits - 1)).astype(np.uint16)
    _dicom(stored, bits).save_as(path, enforce_file_format=True)


def _dicom(stored: NDArray[np.uint16], bits: int) -> Dataset:
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.SOPClassUID, film.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    film.Modality, film.PhotometricInterpretation = "CR", "MONOCHROME2"
    film.Rows, film.Columns, film.SamplesPerPixel = *stored.shape, 1
    film.BitsAllocated, film.BitsStored, film.HighBit = 16, bits, bits - 1
    film.PixelRepresentation = 0
    film.PixelData = stored.tobytes()
    return film


def redraws(browser: Browser, url: str, film: Path, steps: int) -> Table:
    """Measure every change on every screen."""
    table = Table("change", "window", "work ms: median, p95", "frame to frame ms", "requests")
    table.title = f"Change to redrawn panels, {film.stem}, one change per frame"
    for width, height in SCREENS:
        with loaded(browser, url, film, width, height) as page:
            for name in CHANGES:
                series = _series(page, name, steps)
                figures = (f"{median(each):.1f}, {_p95(each):.1f}" for each in _both(series))
                table.add_row(name, f"{width} x {height}", *figures, str(series.requests))
    return table


def _series(page: Page, name: str, steps: int) -> Series:
    for key in PREPARATION.get(name, ["0"]):
        page.locator("#viewer [data-panel=overlay] canvas").press(key)
    sent: list[Request] = []

    def note(request: Request) -> None:
        sent.append(request)

    page.on("request", note)
    made: dict[str, Any] = page.evaluate(SERIES % {"change": CHANGES[name]}, [steps])
    page.remove_listener("request", note)
    if made["looks"] < 2:
        raise RuntimeError(f"{name} did not change the overlay")
    return Series(made["work"], made["frames"], len(sent))


def _both(series: Series) -> tuple[list[float], list[float]]:
    return series.work, series.frames


def _p95(figures: list[float]) -> float:
    return float(np.percentile(figures, 95))


@contextmanager
def loaded(
    browser: Browser, url: str, film: Path, width: int = 1440, height: int = 900
) -> Iterator[Page]:
    """Open a film in a page of its own."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(MINUTE_MS)
    page.goto(url, wait_until="domcontentloaded")
    page.locator(FILE_FIELD).set_input_files(film)
    page.locator("#viewer .viewer[data-shown]").wait_for()
    try:
        yield page
    finally:
        page.close()


def opening(pages: dict[str, tuple[Page, str]], films: tuple[Path, Path], rounds: int) -> Table:
    """Measure from a chosen file to its panels.

    Args:
        pages: by version, a page and JavaScript that gives a string which every picture changes.
        films: two files of one size, opened in turn, so that each opening is seen.
        rounds: how often.
    """
    turns = {name: cycle(films) for name in pages}

    def measure(name: str) -> float:
        page, shown = pages[name]
        page.bring_to_front()
        page.wait_for_timeout(READY_MS)
        page.evaluate(OPENED, shown)
        page.locator(FILE_FIELD).set_input_files(next(turns[name]))
        elapsed: float = page.evaluate("window.opened")
        return elapsed

    measures = {name: partial(measure, name) for name in pages}
    table = Table("version", "median ms", "p95 ms")
    table.title = f"File chosen to three panels, {films[0].stem}, warm"
    for name, elapsed in interleave(measures, rounds).items():
        table.add_row(name, f"{median(elapsed):.0f}", f"{_p95(elapsed):.0f}")
    return table


def memory(browser: Browser, url: str, film: Path) -> str:
    """Say what memory a tab takes: resident now, and at its peak."""
    with loaded(browser, url, film):
        session = browser.new_browser_cdp_session()
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        tabs = [_resident(each["id"]) for each in processes if each["type"] == "renderer"]
        now, peak = max(tabs)
        session.detach()
    return f"memory of the tab, {film.stem}: {now:.0f} MB, at its peak {peak:.0f} MB"


def _resident(process: int) -> tuple[float, float]:
    status = Path(f"/proc/{process}/status").read_text()
    sizes = (re.search(rf"{name}:\s+(\d+) kB", status) for name in ("VmRSS", "VmHWM"))
    now, peak = (int(size[1]) * 1024 / MEGABYTE if size else 0.0 for size in sizes)
    return now, peak
