"""A page that asks for a login works for those who have logged in."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, expect

from cxr_gradcam.web.page import Page as ViewerPage
from tests.helpers.findings import eighteen_findings
from tests.helpers.serving import serving


def test_a_reader_logs_in_and_opens_a_film(browser: Browser, xray: Path, tmp_path: Path) -> None:
    login = ("reader", "secret")
    with (
        serving(lambda: ViewerPage(eighteen_findings()), tmp_path, auth=login) as address,
        closing(browser.new_page()) as page,
    ):
        page.goto(address)
        page.get_by_label("username").fill("reader")
        page.get_by_label("password").fill("secret")
        page.get_by_role("button", name="Login").click()
        page.wait_for_selector("#viewer .panels canvas", state="attached")
        page.locator("#upload input[type=file]").set_input_files(xray)
        page.wait_for_function("document.querySelector('#viewer .viewer').dataset.shown")
        expect(page.locator("#answer")).to_contain_text("%")
