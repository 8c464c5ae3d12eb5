"""Checks of an answer in a real browser: cover a place, outline the lungs, see how steady it is."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_compare import panel, pixels, titles
from tests.browser.test_sharing import open_example
from tests.browser.test_viewer import two_frames


@pytest.fixture
def page(page: Page) -> Page:
    open_example(page, 1)
    return page


def wait_for_covered(page: Page) -> None:
    page.wait_for_function("document.querySelector('#viewer .viewer').dataset.second")
    two_frames(page)


def test_the_hottest_place_is_covered_by_keyboard_and_uncovered(page: Page) -> None:
    chooser = page.get_by_label("Compare with")
    chooser.select_option("cover:hottest")
    wait_for_covered(page)
    first, second = titles(page)[0], titles(page)[3]
    assert first.startswith("Whole X-ray, ")
    assert second.startswith("The hottest place covered, ")
    expect(page.locator("#compare [role=status]")).to_contain_text("the place was not why")
    page.get_by_role("button", name="Stop comparing").press("Enter")
    expect(page.locator("#viewer figure:visible")).to_have_count(3)
    assert titles(page) == ["Original", "Heat map", "Overlay"]


def test_a_box_is_drawn_with_the_arrow_keys_and_covered(page: Page) -> None:
    page.keyboard.press("k")
    expect(page.get_by_role("radio", name="Cover a place")).to_be_checked()
    canvas = panel(page, "Original").locator("canvas")
    canvas.focus()
    for key in ("ArrowLeft", "Enter", "ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        canvas.press(key)
    wait_for_covered(page)
    assert titles(page)[3].startswith("The marked place covered, ")
    expect(page.get_by_label("Compare with").locator("option:checked")).to_have_text(
        "The marked place"
    )


def test_the_lungs_are_outlined_when_they_are_asked_for(page: Page) -> None:
    lines = page.locator("#viewer figure:visible .marks .lung")
    expect(lines).to_have_count(0)
    before = pixels(page, "Original")
    page.keyboard.press("o")
    expect(lines.first).to_be_attached()
    assert lines.count() >= 2 * 3  # both lungs in each panel
    np.testing.assert_array_equal(pixels(page, "Original"), before)  # no part of a download


def test_how_steady_the_answer_is_arrives_after_the_map(page: Page) -> None:
    words = page.locator("#steadiness summary")
    expect(words).to_contain_text('which is not "right"')
    words.click()
    expect(page.locator("#steadiness p")).to_contain_text("Under 16 small changes")
