"""A report of what is shown, filled in and downloaded on the page."""

from __future__ import annotations

import json
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from cxr_gradcam.report.pdf import panel_width
from tests.archive.sources import PATIENT, file_of, source
from tests.browser.test_viewer import upload


def save(page: Page, kind: str) -> bytes:
    page.get_by_role("button", name="Report", exact=True).click()
    dialog = page.get_by_role("dialog", name="Report")
    dialog.get_by_label("Title").fill("Teaching case 7")
    dialog.get_by_label("Remark").fill("Look at the right base.")
    dialog.get_by_label("As").select_option(kind)
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Save report").click()
    return Path(download.value.path()).read_bytes()


def widths_that_fit(width: int) -> list[int]:
    """The widths that the page tries in turn until its request is not too large."""
    widths = [width]
    while len(widths) < 5:
        widths.append(int(0.8 * widths[-1]))
    return widths


def shrunk(seen: NDArray[np.uint8], printed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A panel at the size at which it is printed; the overlay is the largest and stays as it is."""
    size = printed.shape[1], printed.shape[0]
    image = Image.fromarray(seen)
    if (seen == seen[..., :1]).all():
        image = image.convert("L")
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS).convert("RGB"))


def on_screen(page: Page, panel: str, width: int) -> NDArray[np.uint8]:
    """Return a panel as it is shown, `width` pixels wide."""
    encoded = page.evaluate(
        """async ([panel, width]) => {
          const made = await document.querySelector(".viewer").viewer.drawing.panelsAsPng(width);
          const bytes = new Uint8Array(await made[panel].arrayBuffer());
          return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
        }""",
        [panel, width],
    )
    return np.asarray(Image.open(BytesIO(b64decode(encoded))).convert("RGB"))


@pytest.mark.slow
def test_a_report_shows_the_panels_as_they_are_on_the_screen(page: Page, tmp_path: Path) -> None:
    film = tmp_path / "film.dcm"
    film.write_bytes(file_of(source()))
    expect(page.get_by_role("button", name="Report", exact=True)).to_be_hidden()
    upload(page, film)
    page.evaluate(
        """() => document.querySelector(".viewer").viewer.apply(
          {opacity: 20, colormap: "magma", window: {inverted: true},
           view: {x: .5, y: .5, zoom: 2}})"""
    )
    pdf = save(page, "letter")
    printed = PdfReader(BytesIO(pdf)).pages[0]
    text = " ".join(printed.extract_text().split())
    for said in ("Teaching case 7", "Look at the right base.", "inverted", "opacity 20 %", "magma"):
        assert said in text
    assert (printed.mediabox.width, printed.mediabox.height) == (612, 792)
    images = [np.asarray(image.image.convert("RGB")) for image in printed.images]
    for panel in ("original", "heat-map", "overlay"):
        seen = [on_screen(page, panel, width) for width in widths_that_fit(panel_width("letter"))]
        assert any(
            np.array_equal(image, shrunk(pixels, image)) for image in images for pixels in seen
        ), panel
    assert not any(word in f"{text} {PdfReader(BytesIO(pdf)).metadata}" for word in PATIENT)


@pytest.mark.slow
def test_panels_that_are_too_large_for_a_request_get_smaller(page: Page, xray: Path) -> None:
    upload(page, xray)
    lengths = page.evaluate(
        """async () => {
          const { fittingReport } = await import(new URL("report/main.js", document.baseURI));
          const { viewer } = document.querySelector(".viewer");
          const made = async (longest) =>
            (await fittingReport(viewer, { paper: "a4" }, 700, longest)).length;
          const whole = await made(Infinity);
          return [whole, await made(whole - 1)];
        }"""
    )
    assert lengths[1] < lengths[0]


def test_json_has_what_the_command_line_writes(page: Page, xray: Path) -> None:
    upload(page, xray)
    made = json.loads(save(page, "json"))
    assert made["title"] == "Teaching case 7"
    assert {"probabilities", "layers", "window", "model", "disclaimer"} <= made.keys()


def test_a_report_can_be_cancelled_by_the_keyboard(page: Page, xray: Path) -> None:
    upload(page, xray)
    button = page.get_by_role("button", name="Report", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Report")).to_have_count(0)
    expect(button).to_be_focused()
