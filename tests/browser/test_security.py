"""The page under its content policy: it works, and what is not its own runs nothing."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.sync_api import ConsoleMessage, Page, expect
from pydicom import dcmread


def test_the_page_works_without_a_violation_of_its_policy(page: Page) -> None:
    violations: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            violations.append(message.text)

    page.on("console", note)
    page.reload()
    page.wait_for_selector("#viewer .panels canvas", state="attached")
    page.locator("#examples button").first.click()
    page.wait_for_function("document.querySelector('#viewer .viewer').dataset.shown")
    expect(page.locator("#answer")).to_contain_text("%")
    page.get_by_text("How the map is made").click()
    page.get_by_role("button", name="About this model").click()
    expect(page.get_by_role("dialog", name="About this model")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Coarse").check()
    page.wait_for_timeout(500)
    assert violations == []


def test_html_that_reaches_the_page_later_runs_nothing(page: Page) -> None:
    page.evaluate(
        """() => {
          const hostile = document.createElement("div");
          hostile.innerHTML = '<img src="data:," onerror="window.hostile = true">';
          document.querySelector("#answer").append(hostile);
          const script = document.createElement("script");
          script.textContent = "window.hostile = true";
          document.body.append(script);
        }"""
    )
    page.wait_for_timeout(500)
    assert page.evaluate("window.hostile") is None


def test_the_page_works_in_the_frame_of_another_origin_of_this_machine(
    page: Page, url: str, tmp_path: Path
) -> None:
    (tmp_path / "notebook.html").write_text(f'<iframe src="{url}" width="1200"></iframe>')
    # As a notebook shows it: from another port of the same machine.
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page.goto(f"http://localhost:{server.server_port}/notebook.html")
        frame = page.frame_locator("iframe")
        expect(frame.locator("#viewer .panels canvas").first).to_be_attached()
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_texts_of_a_film_are_shown_as_text(page: Page, film: Path, tmp_path: Path) -> None:
    hostile = "<img src=hostile onerror=hostile=1><svg onload=hostile=1>"
    file = dcmread(film)
    file.WindowCenterWidthExplanation = [hostile, hostile]
    file.PatientName = file.PatientID = file.SeriesDescription = hostile
    file.save_as(named := tmp_path / f"{hostile[:24]}.dcm")
    file.PhotometricInterpretation = "<SVG ONLOAD=A>"
    file.save_as(unreadable := tmp_path / "<svg onload=a>.dcm")
    for path in (named, unreadable):
        if path == unreadable:
            page.set_input_files("#choose-prior", path)
            expect(page.get_by_test_id("toast-text")).to_contain_text("cannot be shown")
        page.set_input_files("#upload input[type=file]", path)
        place, shown = ("#answer", "%") if path == named else (".notice", "cannot be shown")
        expect(page.locator(place)).to_contain_text(shown)
        assert page.locator("[src=hostile], [onload], [onerror]").count() == 0
    assert page.evaluate("typeof hostile") == "undefined"
