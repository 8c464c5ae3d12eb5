"""What somebody meets who opens the page for the first time."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.test_viewer import next_image


def test_the_empty_page_offers_what_can_be_done_and_nothing_else(page: Page) -> None:
    expect(page.get_by_role("button", name="Drop a frontal chest X-ray")).to_be_visible()
    expect(page.locator("#examples button")).to_have_count(4)
    expect(page.locator("body")).to_contain_text("where it looked, not where the disease is")
    for name in ("Add prior", "Report", "Copy settings link (without the X-ray)"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_hidden()
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#side")).to_be_hidden()


def test_an_example_opens_by_one_click_and_takes_the_whole_screen(page: Page) -> None:
    with next_image(page):
        page.locator("#examples button").nth(1).click()
    expect(page.locator("#welcome")).to_be_hidden()
    expect(page.locator("#answer .verdict")).to_contain_text("Pneumonia likely,")


def test_an_example_opens_from_the_menu_by_the_keyboard(page: Page) -> None:
    page.get_by_role("button", name="Open", exact=True).press("Enter")
    with next_image(page):
        page.locator("#open-menu").get_by_role("button", name="Example 2: pneumonia").press("Enter")
    expect(page.locator("#open-menu")).to_be_hidden()


def test_the_line_that_says_what_the_page_is_not_for_is_always_there(page: Page) -> None:
    with next_image(page):
        page.locator("#examples button").first.click()
    expect(page.get_by_text("Research and teaching only")).to_be_in_viewport()
