"""Every state of the page at every size: nothing is cut off, covered or too small to hit."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.evaluation.model_card import model_card
from cxr_gradcam.models.calibration import Calibration, OperatingPoint
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.synthetic.chest import draw_phantom
from cxr_gradcam.web.page import Page as ViewerPage
from tests.browser.test_accessibility import TOUCH
from tests.browser.test_other_browsers import FAULTS
from tests.browser.test_viewer import open_example, upload
from tests.helpers.findings import eighteen_findings
from tests.helpers.serving import serving

SIZES = [
    *((1100, 720), (1280, 720), (1440, 900), (1920, 1080), (3840, 2160)),
    *((820, 1180), (390, 844)),
]


@pytest.fixture(scope="module")
def page(browser: Browser, bundled: ResNet50FineTuned, cache: Path) -> Iterator[Page]:
    """A page with two models that answer at once; one of them finds every X-ray foreign."""
    foreign = copy.copy(bundled)
    foreign.calibration = Calibration(1.5, OperatingPoint("Pneumonia", 0.0, 0.0, 0.0))
    nowhere = np.zeros((1, 2048), np.float32)
    foreign.ood_detector = OODDetector(nowhere[0], nowhere, np.ones(1, np.float32), 1.0, 1e-9)
    models = {"Eighteen findings": eighteen_findings(), "Bundled": foreign}
    with (
        serving(lambda: ViewerPage(models, {"Bundled": model_card()}), cache) as address,
        closing(browser.new_context()) as context,
    ):
        opened = context.new_page()
        opened.goto(address)
        opened.wait_for_selector("#viewer .panels canvas", state="attached")
        yield opened


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two films of usual shape, one that is very wide, and a file that is none."""
    folder = tmp_path_factory.mktemp("films")
    paths = [folder / f"{name}.png" for name in ("first", "second", "wide", "none")]
    for number, size in enumerate([(256, 256), (256, 200), (600, 120)]):
        pixels = draw_phantom(number, size=256).pixels
        Image.fromarray((pixels * 255).astype(np.uint8)).resize(size).save(paths[number])
    paths[-1].write_text("no picture")
    return paths


def faults(page: Page) -> list[str]:
    """Look at the state of now at every size."""
    page.wait_for_function("() => !document.querySelector('.pending, .generating')")
    found = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        found += [f"{width} x {height}: {each}" for each in page.evaluate(FAULTS, TOUCH)]
    page.set_viewport_size({"width": 1440, "height": 900})
    return found


@pytest.mark.slow
def test_every_state_at_every_size(page: Page, films: list[Path]) -> None:
    found = {}
    found["empty"] = faults(page)
    open_example(page, 1)
    found["eighteen findings"] = faults(page)
    page.get_by_label("Compare with").select_option("class:Mass")
    page.wait_for_function("document.querySelector('#viewer .viewer').dataset.compared")
    found["comparison"] = faults(page)
    page.get_by_role("button", name="Stop comparing").click()
    upload(page, films[2])
    found["very wide, with a way back"] = faults(page)
    page.set_input_files("#choose-prior", films[0])
    page.locator("#viewer .viewer[data-second]").wait_for()
    found["prior"] = faults(page)
    found |= opened_beside(page)
    page.set_input_files("#upload input", films)
    expect(page.locator("#worklist .state")).to_have_text(re.compile("^3 done|^4 done"))
    page.locator("#worklist [aria-current=true]").wait_for()
    page.get_by_role("button", name="1 failed").click()
    found["worklist with a failed file"] = faults(page)
    page.locator(".failed-rows button").first.click()
    expect(page.locator(".notice")).to_contain_text("cannot be shown")
    found["file refused"] = faults(page)
    page.route("**/gradio_api/**", lambda route: route.abort())
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".notice")).to_contain_text("The server does not answer.")
    found["server gone"] = faults(page)
    said = [f"{state}, {each}" for state, faults in found.items() for each in faults]
    assert not said, "\n".join(said)


def opened_beside(page: Page) -> dict[str, list[str]]:
    """Open what lies over the page, one after the other."""
    found = {}
    for name in ("Open", "Report", "About this model", "Keys"):
        page.get_by_role("button", name=name, exact=True).click()
        found[name] = faults(page)
        page.keyboard.press("Escape")
    for name in ("Layout of the panels", "More settings"):
        page.get_by_role("button", name=name).click()
        found[name] = faults(page)
        page.keyboard.press("Escape")
    return found
