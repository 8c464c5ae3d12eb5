"""What the page says of how far to trust the answer: verdict, warning, model card."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.models.calibration import Calibration, OperatingPoint
from cxr_gradcam.models.ood import OODDetector
from cxr_gradcam.web.page import Page as ViewerPage
from tests.browser.conftest import SIZE
from tests.helpers.serving import serving

CARD = f"""# The card

| {" | ".join(["probabilities"] * 6)} |
| {" | ".join(["-"] * 6)} |
| {" | ".join(["0.951 (0.934 to 0.966)"] * 6)} |
"""


def detector(threshold: float) -> OODDetector:
    directions = np.zeros((1, 2048), np.float32)
    return OODDetector(
        np.zeros(2048, np.float32), directions, np.ones(1, np.float32), 1.0, threshold
    )


def opened(
    browser: Browser, bundled: ResNet50FineTuned, cache: Path, threshold: float
) -> Iterator[Page]:
    """The page of a model whose gate lets everything or nothing pass, with an example shown."""
    model = copy.copy(bundled)  # its layers, and what was compiled of them, are the same
    model.calibration = Calibration(1.5, OperatingPoint("Pneumonia", 0.0, 0.0, 0.0))
    model.ood_detector = detector(threshold)
    with (
        serving(lambda: ViewerPage(model, CARD), cache) as address,
        closing(browser.new_context(viewport=SIZE)) as context,
    ):
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#viewer .panels canvas", state="attached")
        page.locator("#examples button").first.click()
        expect(page.locator("#answer dt").first).to_be_visible()
        yield page


@pytest.fixture
def familiar(browser: Browser, bundled: ResNet50FineTuned, cache: Path) -> Iterator[Page]:
    yield from opened(browser, bundled, cache, float("inf"))


@pytest.fixture
def unfamiliar(browser: Browser, bundled: ResNet50FineTuned, cache: Path) -> Iterator[Page]:
    yield from opened(browser, bundled, cache, 1e-9)


def test_the_verdict_stands_above_the_percentages(familiar: Page) -> None:
    expect(familiar.locator("#answer .verdict")).to_contain_text("● Pneumonia likely,")
    expect(familiar.get_by_role("alert")).to_have_count(0)
    expect(familiar.locator("#scope")).to_contain_text("likely, uncertain, unlikely were set")


def test_an_unfamiliar_image_is_said_to_be_one(unfamiliar: Page) -> None:
    warning = unfamiliar.locator("#answer").get_by_role("alert")
    expect(warning).to_contain_text("Unlike the training X-rays: not reliable")
    expect(unfamiliar.locator("#answer .verdict")).to_have_count(0)
    expect(unfamiliar.locator("#answer dl.dimmed")).to_be_visible()


def test_the_card_opens_by_keyboard(familiar: Page) -> None:
    heading = familiar.get_by_role("heading", name="The card")
    expect(heading).to_be_hidden()
    familiar.get_by_role("button", name="About this model").focus()
    familiar.keyboard.press("Enter")
    facts = familiar.get_by_role("dialog", name="About this model")
    expect(facts).to_contain_text("When not to use it")
    facts.get_by_role("button", name="The whole model card").press("Enter")
    expect(heading).to_be_visible()
    familiar.keyboard.press("Escape")
    expect(facts).to_be_hidden()


@pytest.mark.slow
def test_on_a_phone_the_tables_of_the_card_scroll_and_no_word_is_broken(familiar: Page) -> None:
    familiar.set_viewport_size({"width": 390, "height": 800})
    familiar.get_by_role("button", name="About this model").click()
    familiar.get_by_role("button", name="The whole model card").click()
    header = familiar.locator("#card th").first
    height = header.evaluate("cell => cell.getBoundingClientRect().height")
    line = header.evaluate("cell => parseFloat(getComputedStyle(cell).lineHeight)")
    assert height < 3 * line
    assert familiar.evaluate("document.documentElement.scrollWidth") <= 390
    table = familiar.locator("#card table").first
    assert table.evaluate("table => table.scrollWidth > table.clientWidth")
