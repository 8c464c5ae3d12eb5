"""A reload of the page: what was open comes back, and stays nobody else's."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from cxr_gradcam.synthetic.chest import draw_phantom
from tests.browser.test_viewer import next_image
from tests.helpers.patience import wait_until

KEPT = """async () => {
  const answered = (request) => new Promise((done, fail) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
  const database = await answered(indexedDB.open("cxr-gradcam", 1));
  const store = database.transaction("kept").objectStore("kept");
  const [keys, values] = await Promise.all([store.getAllKeys(), store.getAll()].map(answered));
  database.close();
  const bytes = values.flatMap(({ data }) => [...new Uint8Array(data)]);
  return [keys.map(([, name]) => name), String.fromCharCode(...bytes.slice(0, 60000))];
}"""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    paths = [folder / f"Doe {number}.png" for number in range(2)]
    for number, path in enumerate(paths):
        pixels = draw_phantom(number, size=96).pixels
        Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    return paths


def open_list(page: Page, films: list[Path]) -> None:
    """Open a list, and wait until the browser keeps its rows and files."""
    page.set_input_files("#upload input[type=file]", films)
    expect(page.locator("#worklist .state")).to_have_text("2 done.")
    page.locator("#viewer .viewer[data-shown]").wait_for()
    names = ["file/1", "file/2", "row/1", "row/2"]
    wait_until(lambda: sorted(page.evaluate(KEPT)[0]) == names)


def open_other_row(page: Page) -> None:
    with next_image(page):
        page.locator("#worklist .rows button:first-child:not([aria-current])").first.click()


def test_a_reload_brings_back_list_film_question_and_display(page: Page, films: list[Path]) -> None:
    open_list(page, films)
    current = page.locator("#worklist [aria-current=true] .number")
    open_other_row(page)
    number = str(current.text_content())
    other = page.get_by_role("radio", checked=False, name=re.compile("Normal|Pneumonia"))
    name = str(other.get_attribute("value"))
    with next_image(page):
        other.check()
    page.evaluate("() => document.querySelector('.viewer').viewer.apply({opacity: 30})")
    page.reload()
    page.wait_for_function(
        "() => { const viewer = document.querySelector('#viewer .viewer')?.viewer;"
        " return viewer?.isFilled && viewer.settings().opacity === 30; }"
    )
    expect(page.locator("#worklist .state")).to_have_text("2 done.")
    expect(current).to_have_text(number)
    expect(page.get_by_role("radio", name=name)).to_be_checked()
    open_other_row(page)


@pytest.mark.slow
def test_a_closed_list_does_not_come_back(page: Page, films: list[Path]) -> None:
    open_list(page, films)
    page.get_by_role("button", name="Close list").click()
    wait_until(lambda: "row/1" not in page.evaluate(KEPT)[0])
    page.reload()
    page.locator("#viewer .viewer[data-shown]").wait_for()
    expect(page.get_by_role("region", name="Worklist")).to_be_hidden()


def test_what_a_closed_tab_kept_cannot_be_read_and_goes(
    browser: Browser, url: str, films: list[Path]
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#viewer .panels canvas", state="attached")
    open_list(page, films)
    _, kept = page.evaluate(KEPT)
    assert "PNG" not in kept
    assert "Doe" not in kept
    page.close()
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#viewer .panels canvas", state="attached")
    wait_until(lambda: page.evaluate(KEPT)[0] == [])
    context.close()
