"""axe-core on every state of the page: no serious fault, and targets that a finger hits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from cxr_gradcam.synthetic.chest import draw_phantom
from tests.browser.test_viewer import upload

SERIOUS = ("serious", "critical")
TOUCH = 44  # CSS pixels


@pytest.fixture(
    params=[
        pytest.param(("light", 1440), id="light desk"),
        pytest.param(("dark", 390), id="dark phone", marks=pytest.mark.slow),
    ]
)
def opened(
    request: pytest.FixtureRequest, browser: Browser, url: str
) -> Iterator[tuple[Page, int]]:
    theme, width = request.param
    is_phone = width < 600
    context = browser.new_context(
        viewport={"width": width, "height": 900}, has_touch=is_phone, is_mobile=is_phone
    )
    page = context.new_page()
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_selector("#viewer .panels canvas", state="attached")
    yield page, width
    context.close()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    paths = [folder / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        pixels = draw_phantom(number, size=256).pixels
        Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    return paths


def faults(page: Page) -> list[str]:
    """Say what axe-core finds serious, and where, once nothing is dimmed that is still coming."""
    page.wait_for_function("() => !document.querySelector('.pending, .generating')")
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]


def small_targets(page: Page) -> list[str]:
    """Name the controls of our own that are too small for a finger."""
    return page.evaluate(
        """(least) => {
          const own = "#bar button, #viewer :is(button, select), #worklist button, dialog button";
          return [...document.querySelectorAll(own)].filter((each) => {
            const { width, height } = each.getBoundingClientRect();
            return each.checkVisibility() && (width < least || height < least);
          }).map((each) => `${each.className || each.id} ${each.textContent.trim()}`);
        }""",
        TOUCH,
    )


def test_the_empty_page(opened: tuple[Page, int]) -> None:
    assert faults(opened[0]) == []


def test_an_x_ray_and_what_can_be_opened_beside_it(
    opened: tuple[Page, int], films: list[Path]
) -> None:
    page, width = opened
    upload(page, films[0])
    assert faults(page) == []
    if width < 600:
        assert small_targets(page) == []
    page.get_by_role("button", name="Report", exact=True).click()
    expect(page.get_by_role("dialog", name="Report")).to_be_visible()
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.locator("#viewer .panels canvas").first.focus()
    page.keyboard.press("?")
    expect(page.locator("dialog.help")).to_be_visible()
    assert faults(page) == []


def test_a_worklist(opened: tuple[Page, int], films: list[Path]) -> None:
    page, width = opened
    page.set_input_files("#upload input[type=file]", films)
    state = page.get_by_role("region", name="Worklist").locator(".state")
    expect(state).to_have_text(re.compile(r"^3 done"))
    assert faults(page) == []
    if width < 600:
        assert small_targets(page) == []
