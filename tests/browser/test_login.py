"""A page that asks for a login works for those who have logged in."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from cxr_gradcam.web.page import Page
from tests.helpers.findings import eighteen_findings


def test_a_reader_logs_in_and_opens_a_film(
    browser: Browser, xray: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    app = Page(eighteen_findings())
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True, auth=("reader", "secret"))
    page = browser.new_page()
    page.goto(address)
    page.get_by_label("username").fill("reader")
    page.get_by_label("password").fill("secret")
    page.get_by_role("button", name="Login").click()
    page.wait_for_selector("#viewer .panels canvas", state="attached")
    page.locator("#upload input[type=file]").set_input_files(xray)
    page.wait_for_function("document.querySelector('#viewer .viewer').dataset.shown")
    expect(page.locator("#answer")).to_contain_text("%")
    page.close()
    app.close()
