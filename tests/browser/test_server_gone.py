"""A server that stops and comes back: nothing that was opened is lost."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.browser.test_viewer import next_image, upload

GONE = "The server does not answer."


def test_what_is_open_stays_and_is_opened_again_on_the_new_server(page: Page, xray: Path) -> None:
    upload(page, xray)
    page.evaluate("() => { document.querySelector('.viewer').viewer.apply({opacity: 30}); }")
    page.evaluate("window.isSamePage = true")
    page.route("**/gradio_api/**", lambda route: route.abort())
    other = page.get_by_role("radio", checked=False, name="Normal").or_(
        page.get_by_role("radio", checked=False, name="Pneumonia")
    )
    name = str(other.first.get_attribute("value"))
    other.first.check()
    expect(page.locator(".notice")).to_contain_text(GONE)
    expect(page.locator("html.is-unanswered")).to_have_count(1)

    def another_server(route: Route) -> None:
        route.fulfill(json={"app_id": 1})

    with next_image(page):
        page.unroute("**/gradio_api/**")
        page.route("**/gradio_api/app_id", another_server)
    expect(page.locator(".notice")).to_contain_text("The server is back.")
    expect(page.locator("#place .note")).to_contain_text(name)
    assert page.evaluate("window.isSamePage")
    opacity = "document.querySelector('.viewer').viewer.settings().opacity"
    assert page.evaluate(opacity) == 30


def test_another_x_ray_can_be_taken_back(page: Page, xray: Path) -> None:
    upload(page, xray)
    page.evaluate("() => { document.querySelector('.viewer').viewer.apply({opacity: 80}); }")
    with next_image(page):
        page.get_by_role("button", name="Open", exact=True).click()
        page.locator("#open-menu").get_by_role("button", name="Example 1").click()
    with next_image(page):
        page.get_by_role("button", name="Back to the one before").click()
    size = "document.querySelector('.viewer').viewer.panes.a.renderer.picture.width"
    assert page.evaluate(size) == 320
    assert page.evaluate("document.querySelector('.viewer').viewer.settings().opacity") == 80
