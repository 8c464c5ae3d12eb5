"""The page's own API view, for those who write programs."""

from __future__ import annotations

from playwright.sync_api import ConsoleMessage, Page, expect


def test_the_api_view_shows_the_endpoints_and_how_they_are_called(page: Page) -> None:
    violations: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            violations.append(message.text)

    page.on("console", note)
    page.get_by_role("button", name="Use via API").click()
    for name in ("/explain", "/classify", "/models"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.get_by_text("3 API endpoints")).to_be_visible()
    expect(page.get_by_text("file=handle_file('chest.dcm'),").first).to_be_visible()
    expect(page.get_by_text("from 0 (the X-ray alone) to 1").first).to_be_visible()
    assert violations == []
