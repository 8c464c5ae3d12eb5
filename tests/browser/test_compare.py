"""Several models, many findings, and two answers side by side, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.imaging.rendering import color_table
from cxr_gradcam.web.page import Page as ViewerPage
from tests.browser.conftest import Open
from tests.browser.test_sharing import assert_same_view, copy_link
from tests.browser.test_viewer import (
    as_array,
    choose,
    next_image,
    open_example,
    set_opacity,
    two_frames,
)
from tests.helpers.findings import FINDINGS, eighteen_findings
from tests.helpers.serving import serving


@pytest.fixture(scope="module")
def several(bundled: ResNet50FineTuned, cache: Path) -> Iterator[str]:
    """The address of a page with two models."""
    models = {"Many": eighteen_findings(), "Bundled": bundled}
    with serving(lambda: ViewerPage(models), cache) as address:
        yield address


@pytest.fixture
def page(several: str, opened: Open) -> Page:
    page = opened(several)
    open_example(page, 1)
    return page


def compare(page: Page, wanted: str) -> None:
    page.get_by_label("Compare with").select_option(wanted)
    wait_for_second(page)


def wait_for_second(page: Page) -> None:
    page.wait_for_function("document.querySelector('#viewer .viewer').dataset.compared")
    two_frames(page)


def panel(page: Page, name: str) -> Locator:
    return page.locator("#viewer figure:visible").filter(has=page.get_by_text(name, exact=True))


def pixels(page: Page, name: str) -> NDArray[np.uint8]:
    """Download the panel of a name."""
    with page.expect_download() as download:
        panel(page, name).get_by_role("button", name="download").click()
    return as_array(download.value.path().read_bytes())


def titles(page: Page) -> list[str]:
    return page.locator("#viewer figcaption:visible span").all_inner_texts()


def shown_class(page: Page) -> str:
    return page.get_by_label("Evidence for", exact=True).input_value()


@pytest.mark.slow
def test_many_findings_are_sorted_and_searched(page: Page) -> None:
    rows = page.locator("#answer dl > div")
    expect(rows).to_have_count(18)
    shares = [float(row.get_attribute("style").split(": ")[1]) for row in rows.all()]
    assert shares == sorted(shares, reverse=True)
    page.get_by_role("searchbox", name="Search findings").fill("LUNG")
    expect(page.locator("#answer dl > div:visible dt")).to_have_count(2)
    classes = page.get_by_label("Evidence for", exact=True)
    classes.click()
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(18)
    classes.press("Control+a")
    classes.press_sequentially("hern")
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(1)
    with next_image(page):
        page.get_by_role("listbox").get_by_role("option", name="Hernia").click()
    assert "hernia" in page.locator("#viewer .viewer").get_attribute("data-shown")


def test_two_findings_side_by_side_with_one_set_of_sliders(page: Page) -> None:
    first = shown_class(page)
    second = next(name for name in FINDINGS if name != first)
    compare(page, f"class:{second}")
    names = titles(page)
    assert [name.split(": ")[1] for name in names] == ["Heat map", "Overlay"] * 2
    assert [name.startswith(first) for name in names] == [True, True, False, False]
    assert names[2].startswith(second)
    status = page.locator("#compare [role=status]")
    expect(status).to_contain_text(f"Comparing with {second}. Both maps have one colour scale")
    set_opacity(page, 0)
    np.testing.assert_array_equal(pixels(page, names[1]), pixels(page, names[3]))
    heat, share = pixels(page, names[2]), share_of_second(page)
    with next_image(page):
        choose(page, "Evidence for", second)
    expect(page.locator("#viewer figure:visible")).to_have_count(3)  # with itself: it has ended
    steps = steps_of(pixels(page, "Heat map"))
    np.testing.assert_array_equal(
        heat, color_table("jet")[np.floor(steps * share + 0.5).astype(int)]
    )


def share_of_second(page: Page) -> float:
    """How strong the second map's strongest place is beside the stronger one of both."""
    peaks = page.evaluate(
        "Object.values(document.querySelector('#viewer .viewer').viewer.panes).map(p => p.peak)"
    )
    return float(peaks[1] / max(peaks))


def steps_of(heat_map: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The steps of the map that a panel shows on a scale of its own."""
    colors = {tuple(color): step for step, color in enumerate(color_table("jet").tolist())}
    assert len(colors) == 256
    flat = [colors[tuple(pixel)] for pixel in heat_map.reshape(-1, 3).tolist()]
    return np.array(flat).reshape(heat_map.shape[:2])


def test_another_model_and_the_end_by_keyboard(page: Page) -> None:
    expect(page.get_by_label("Compare with").locator("optgroup")).to_have_count(5)
    compare(page, "model:Bundled")
    assert titles(page)[0].startswith("Many, ")
    assert titles(page)[2].startswith("Bundled, ")
    stop = page.get_by_role("button", name="Stop comparing")
    stop.focus()
    stop.press("Enter")
    expect(page.locator("#viewer figure:visible")).to_have_count(3)
    expect(page.get_by_label("Compare with")).to_be_focused()
    expect(page.get_by_label("Compare with")).to_have_value("")
    assert titles(page) == ["Original", "Heat map", "Overlay"]
    expect(stop).to_be_hidden()


def test_the_next_x_ray_is_compared_with_nothing(page: Page) -> None:
    compare(page, "method:layercam")
    assert [name.split(":")[0] for name in titles(page)] == ["Grad-CAM"] * 2 + ["LayerCAM"] * 2
    open_example(page, 0)
    assert titles(page) == ["Original", "Heat map", "Overlay"]
    expect(page.get_by_label("Compare with")).to_have_value("")


@pytest.mark.slow
def test_a_link_opens_model_and_comparison(page: Page, opened: Open) -> None:
    with next_image(page):
        choose(page, "Model", "Bundled")
    compare(page, "class:Normal")
    link = copy_link(page)
    other = opened(link)
    wait_for_second(other)
    assert_same_view(page, other)
    assert titles(other) == titles(page)
    expect(other.get_by_label("Model", exact=True)).to_have_value("Bundled")
    assert copy_link(other) == link


@pytest.mark.slow
def test_on_a_phone_the_sides_stand_side_by_side(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    compare(page, "method:eigencam")
    boxes = [figure.bounding_box() for figure in page.locator("#viewer figure:visible").all()]
    assert boxes[0]["y"] == boxes[2]["y"]
    assert boxes[0]["x"] < boxes[2]["x"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    order = page.evaluate(
        "['#answer', '#viewer', '#compare'].map(s => document.querySelector(s)"
        ".getBoundingClientRect().top)"
    )
    assert order == sorted(order)
