"""What somebody meets who opens the page for the first time."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.test_viewer import next_image

REFUSED = """
Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("The operation is insecure.", "SecurityError"); },
});
"""


def disclaimer(page: Page):
    return page.get_by_role("region", name="Disclaimer")


def accept(page: Page) -> None:
    disclaimer(page).get_by_role("button", name="I understand").press("Enter")
    expect(disclaimer(page).get_by_role("button")).to_be_hidden()


def test_the_disclaimer_is_accepted_once_and_stays(page: Page) -> None:
    accept(page)
    page.reload()
    expect(disclaimer(page)).to_contain_text("not a medical device")
    expect(disclaimer(page).get_by_role("button")).to_be_hidden()


def test_where_the_browser_keeps_nothing_it_is_asked_again(page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(error.message))
    page.add_init_script(REFUSED)
    for _ in range(2):
        page.reload()
        accept(page)
    assert not [error for error in errors if "insecure" in error]


def test_an_example_opens_by_one_click_and_the_steps_go(page: Page) -> None:
    steps = page.get_by_role("list", name="How to begin")
    expect(steps.get_by_role("listitem")).to_have_count(3)
    expect(steps).to_contain_text("where it looked, not where the disease is")
    with next_image(page):
        steps.get_by_role("button", name="Open an example").click()
    expect(steps).to_be_hidden()
    expect(page.locator("#examples button").nth(1)).to_be_focused()


def test_nothing_waits_for_the_disclaimer(page: Page) -> None:
    with next_image(page):
        page.locator("#examples button").first.click()
    expect(disclaimer(page).get_by_role("button", name="I understand")).to_be_visible()
