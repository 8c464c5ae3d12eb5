"""What a clinician does, in a real browser: every pixel is compared with what Python renders."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Request, expect
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from cxr_gradcam import Explanation, ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.bundled import example_files
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.imaging.rendering import COLORMAPS, as_rgb, color_table, colorize, overlay
from cxr_gradcam.models.stages import DETAIL
from cxr_gradcam.web import events
from cxr_gradcam.web.viewer import what_is_shown
from tests.helpers.patience import wait_until

PANELS = ("original", "heat-map", "overlay")


def upload(page: Page, path: Path) -> None:
    with next_image(page):
        page.set_input_files("#upload input[type=file]", path)


def open_example(page: Page, index: int) -> None:
    """Open an example as a reader does: by its card, or by the menu while an X-ray is open."""
    button = page.locator("#examples button").nth(index)
    if not button.is_visible():
        page.get_by_role("button", name="Open", exact=True).click()
        button = page.locator("#open-menu .examples button").nth(index)
    with next_image(page):
        button.click()


@contextmanager
def next_image(page: Page) -> Iterator[None]:
    """Wait until the viewer shows another map than before."""
    before = page.locator("#viewer .viewer").get_attribute("data-shown")
    yield
    page.wait_for_function(
        """before => {
          const shown = document.querySelector('#viewer .viewer').dataset.shown;
          return shown && shown !== before;
        }""",
        arg=before,
    )


def pixels_of(page: Page, panel: str) -> NDArray[np.uint8]:
    """What the download of a panel would write: (H, W, 3), at the picture's own size.

    The browser's part of it is left out: it takes time, and refuses many in a row.
    """
    data = page.evaluate(
        """async panel => {
          const { createObjectURL } = URL, { click } = HTMLAnchorElement.prototype;
          const blob = await new Promise(done => {
            URL.createObjectURL = made => { done(made); return ""; };
            HTMLAnchorElement.prototype.click = () => {};
            const [, , save] = document.querySelector(`[data-panel=${panel}] figcaption`).children;
            save.click();
          });
          Object.assign(URL, { createObjectURL });
          setTimeout(() => { HTMLAnchorElement.prototype.click = click; });
          const reader = new FileReader();
          await new Promise(done => { reader.onload = done; reader.readAsDataURL(blob); });
          return reader.result.split(",")[1];
        }""",
        panel,
    )
    return as_array(base64.b64decode(data))


def on_screen(page: Page, panel: str) -> NDArray[np.uint8]:
    """Read a panel back as it is on the screen after the last change: (height, width, 3)."""
    page.wait_for_function(
        """() => {
          const { drawing } = document.querySelector("#viewer .viewer").viewer;
          return drawing.changing === undefined && !drawing.pending;
        }"""
    )
    data = page.evaluate(
        """panel => {
          const canvas = document.querySelector(`[data-panel=${panel}] canvas`);
          return canvas.toDataURL("image/png").split(",")[1];
        }""",
        panel,
    )
    return as_array(base64.b64decode(data))


def as_array(png: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def set_opacity(page: Page, percent: int) -> None:
    slider = page.get_by_role("slider", name="Heat map opacity")
    slider.evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }",
        percent,
    )
    two_frames(page)


def two_frames(page: Page) -> None:
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def requests_during(page: Page) -> list[Request]:
    """Collect the requests from now on, but for what the page made itself.

    A moment after a map, the page asks by itself how steady it is; that is waited for.
    """
    if page.locator("#viewer .viewer[data-shown]").count():
        page.locator("#steadiness summary").wait_for()
    sent: list[Request] = []

    def note(request: Request) -> None:
        if not request.url.startswith("blob:"):
            sent.append(request)

    page.on("request", note)
    return sent


def answer(model: ResNet50FineTuned, path: Path, **question: Any) -> Explanation:
    """Ask in Python what the page asks; its map is the fine one where the question names none."""
    return explain(model, read_radiograph(path), **{"layers": DETAIL["fine"], **question})


def assert_shows(
    page: Page,
    model: ResNet50FineTuned,
    path: Path,
    alpha: float = 0.5,
    colormap: str = "jet",
) -> None:
    radiograph = read_radiograph(path)
    explanation = answer(model, path)
    original = as_rgb(radiograph.pixels)
    expected = {
        "original": original,
        "heat-map": colorize(explanation.heatmap, colormap),
        "overlay": overlay(original, explanation.heatmap, alpha, colormap),
    }
    for panel in PANELS:
        np.testing.assert_array_equal(pixels_of(page, panel), expected[panel], err_msg=panel)


def test_an_upload_fills_three_panels_as_python_renders_them(
    page: Page, bundled: ResNet50FineTuned, xray: Path
) -> None:
    upload(page, xray)
    assert_shows(page, bundled, xray)


def test_a_dicom_file_shows_like_any_other(
    page: Page, bundled: ResNet50FineTuned, tmp_path: Path
) -> None:
    path = tmp_path / "no-extension"
    write_dicom(path)
    upload(page, path)
    assert_shows(page, bundled, path)


def write_dicom(path: Path) -> None:
    stored = np.linspace(0, 4095, 200 * 160).reshape(200, 160).astype(np.uint16)
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    file.Modality, file.PhotometricInterpretation = "CR", "MONOCHROME1"
    file.Rows, file.Columns, file.SamplesPerPixel = *stored.shape, 1
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.WindowCenter, file.WindowWidth = 1900, 2701
    file.PixelData = stored.tobytes()
    file.save_as(path, enforce_file_format=True)


def test_an_example_shows_with_its_answer(page: Page, bundled: ResNet50FineTuned) -> None:
    with next_image(page):
        page.get_by_role("button", name="Example 2: pneumonia").click()
    assert_shows(page, bundled, example_files()[1])
    expect(page.locator("#answer dt").first).to_have_text("Pneumonia")
    expect(page.get_by_role("radio", name="Pneumonia")).to_be_checked()


def test_opacity_changes_the_overlay_and_sends_no_request(
    page: Page, bundled: ResNet50FineTuned, xray: Path
) -> None:
    upload(page, xray)
    requests = requests_during(page)
    for percent in (0, 7, 29, 58, 100):
        set_opacity(page, percent)
        assert_shows(page, bundled, xray, alpha=percent / 100)
    assert requests == []


def test_the_slider_can_be_dragged(page: Page, xray: Path) -> None:
    upload(page, xray)
    before = pixels_of(page, "overlay")
    box = page.get_by_role("slider", name="Heat map opacity").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, y, steps=5)
    page.mouse.up()
    two_frames(page)
    assert (pixels_of(page, "overlay") != before).any()
    expect(page.locator("#viewer .opacity b")).to_have_text(re.compile("^(9[0-9]|100) %$"))


def test_a_colour_map_colours_as_its_table_says(
    page: Page, bundled: ResNet50FineTuned, xray: Path
) -> None:
    upload(page, xray)
    requests = requests_during(page)
    for colormap in COLORMAPS:
        page.get_by_role("combobox", name="Colour map").select_option(colormap)
        two_frames(page)
        assert_shows(page, bundled, xray, colormap=colormap)
        source = page.locator("#viewer .scale img").first.get_attribute("src")
        scale = as_array(base64.b64decode(str(source).split(",")[1]))
        np.testing.assert_array_equal(scale[::-1, 0], color_table(colormap))
    assert requests == []


def test_a_quick_opacity_after_a_colour_map_loses_neither(
    page: Page, bundled: ResNet50FineTuned, xray: Path
) -> None:
    upload(page, xray)
    page.evaluate(
        """() => {
          const chooser = document.querySelector('.colormap select');
          const slider = document.querySelector('.opacity input');
          chooser.value = 'viridis';
          chooser.dispatchEvent(new Event('input'));
          slider.value = 20;
          slider.dispatchEvent(new Event('input'));
        }"""
    )
    two_frames(page)
    assert_shows(page, bundled, xray, alpha=0.2, colormap="viridis")


def test_another_class_shows_its_own_map_on_the_same_image(
    page: Page, bundled: ResNet50FineTuned, xray: Path
) -> None:
    upload(page, xray)
    other = not_predicted(bundled, xray)
    with next_image(page):
        page.get_by_role("radio", name=other).check()
    expect(page.locator("#place .note")).to_contain_text(other)
    expected = answer(bundled, xray, class_name=other).heatmap
    np.testing.assert_array_equal(pixels_of(page, "heat-map"), colorize(expected))
    original = as_rgb(read_radiograph(xray).pixels)
    np.testing.assert_array_equal(pixels_of(page, "original"), original)


def not_predicted(model: ResNet50FineTuned, path: Path) -> str:
    predicted = answer(model, path).predicted_class
    return next(name for name in model.class_names if name != predicted)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("listbox").get_by_role("option", name=option).click()


def open_settings(page: Page) -> None:
    """Show how the map is made, with every method on offer."""
    page.get_by_role("button", name="How the map is made").click()
    page.get_by_label("More methods").check()


@pytest.mark.slow
def test_another_question_shows_what_python_renders(
    page: Page, bundled: ResNet50FineTuned, xray: Path
) -> None:
    upload(page, xray)
    open_settings(page)
    asked: dict[str, Any] = {}
    for label, option, question in [
        ("Question", "What speaks against", {"against": True}),
        ("Question", "rather than", {"against": False, "contrast_with": ...}),
        ("Method", "LayerCAM", {"method": "layercam"}),
        ("Detail", "Coarse", {"layers": DETAIL["coarse"]}),
        ("Method", "Ablation-CAM", {"method": "ablationcam"}),
        ("Method", "EigenCAM", {"method": "eigencam", "contrast_with": None}),
        ("Detail", "Finest", {"layers": DETAIL["finest"]}),
    ]:
        with next_image(page):
            if label == "Detail":
                page.get_by_role("radio", name=option).check()
            else:
                choose(page, label, option)
        asked |= question
        if asked.get("contrast_with"):
            asked["contrast_with"] = not_predicted(bundled, xray)
        expected = answer(bundled, xray, **asked)
        np.testing.assert_array_equal(pixels_of(page, "heat-map"), colorize(expected.heatmap))
        spoken = page.locator("[data-panel=heat-map] canvas").get_attribute("aria-label")
        assert what_is_shown(expected) in str(spoken)


def test_the_questions_follow_the_class(page: Page, bundled: ResNet50FineTuned, xray: Path) -> None:
    upload(page, xray)
    with next_image(page):
        choose(page, "Question", "rather than")
    other = not_predicted(bundled, xray)
    with next_image(page):
        page.get_by_role("radio", name=other).check()
    expect(page.get_by_label("Question", exact=True)).to_have_value(f"What speaks for {other}?")
    expect(page.locator("#place .note")).to_contain_text(f"for {other}")


@pytest.mark.slow
def test_a_slow_map_tells_how_far_it_is_and_gives_way_to_a_quick_one(
    page: Page, bundled: ResNet50FineTuned, xray: Path
) -> None:
    upload(page, xray)
    open_settings(page)
    choose(page, "Method", "Score-CAM")
    progress = page.locator("#viewer").get_by_role("progressbar", name="Score-CAM")
    expect(progress).to_be_visible()
    with next_image(page):
        choose(page, "Method", "HiResCAM")
    expected = colorize(answer(bundled, xray, method="hirescam").heatmap)
    np.testing.assert_array_equal(pixels_of(page, "heat-map"), expected)
    expect(progress).to_be_hidden()
    np.testing.assert_array_equal(pixels_of(page, "heat-map"), expected)


def test_a_slow_map_can_be_stopped(page: Page, xray: Path) -> None:
    upload(page, xray)
    before = page.locator("#viewer .viewer").get_attribute("data-shown")
    open_settings(page)
    described = page.get_by_text(METHODS["gradcam"].summary[1:])
    expect(described).to_be_visible()
    choose(page, "Method", "Score-CAM")
    expect(described).to_be_hidden()
    page.locator("#viewer").get_by_role("button", name="Stop").click()
    expect(page.locator("#viewer").get_by_role("progressbar")).to_have_count(0)
    expect(page.get_by_label("Method", exact=True)).to_have_value("Grad-CAM")
    expect(described).to_be_visible()
    expect(page.locator("#viewer .viewer")).to_have_attribute("data-shown", str(before))


@pytest.mark.slow
def test_a_new_image_does_not_wait_for_a_slow_method(
    page: Page, bundled: ResNet50FineTuned, xray: Path
) -> None:
    upload(page, xray)
    open_settings(page)
    choose(page, "Method", "Score-CAM")
    expect(page.locator("#viewer").get_by_role("progressbar")).to_be_visible()
    open_example(page, 1)
    assert_shows(page, bundled, example_files()[1])
    expect(page.get_by_label("Method", exact=True)).to_have_value("Grad-CAM")


@pytest.mark.slow
def test_the_panels_stay_in_sight_beside_the_settings(page: Page, xray: Path) -> None:
    upload(page, xray)
    open_settings(page)
    page.get_by_role("radio", name="Finest").scroll_into_view_if_needed()
    page.locator("#side").hover()
    page.mouse.wheel(0, 400)
    for panel in PANELS:
        expect(page.locator(f"[data-panel={panel}] canvas")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_a_bad_file_says_why_and_leaves_the_open_x_ray_as_it_was(
    page: Page, bundled: ResNet50FineTuned, xray: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "notes.png"
    bad.write_text("Jane Doe, no image at all")
    page.set_input_files("#upload input[type=file]", bad)
    assert_refused(page, "This file cannot be shown")
    expect(page.get_by_role("button", name="Drop a frontal chest X-ray")).to_be_visible()
    upload(page, xray)
    expect(notice(page)).to_be_hidden()
    page.set_input_files("#upload input[type=file]", bad)
    assert_refused(page, "This file cannot be shown")
    assert_shows(page, bundled, xray)
    with next_image(page):
        page.get_by_role("radio", name=not_predicted(bundled, xray)).check()


def notice(page: Page) -> Locator:
    return page.locator(".notice")


def assert_refused(page: Page, words: str) -> None:
    expect(notice(page)).to_contain_text(words)
    expect(notice(page)).not_to_contain_text("Jane")


def test_when_reading_breaks_there_is_a_message(
    page: Page, xray: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(page, xray)

    def fail(_path: Path) -> None:
        raise MemoryError("Jane Doe")

    monkeypatch.setattr(events, "read_for_viewing", fail)
    page.set_input_files("#upload input[type=file]", xray)
    assert_refused(page, "went wrong on the server")
    expect(page.locator("#answer .verdict")).to_be_visible()


@pytest.mark.slow
def test_the_same_file_from_three_visitors_at_once_shows_for_all(
    browser: Browser, url: str, bundled: ResNet50FineTuned, xray: Path
) -> None:
    contexts = [browser.new_context() for _ in range(3)]
    pages = [context.new_page() for context in contexts]
    for page in pages:
        page.goto(url)
        page.wait_for_selector("#viewer .panels canvas", state="attached")
    for page in pages:
        page.set_input_files("#upload input[type=file]", xray)
    for page in pages:
        page.wait_for_selector("#viewer .viewer[data-shown]")
        assert_shows(page, bundled, xray)
    for context in contexts:
        context.close()


@pytest.mark.slow
def test_the_same_file_twice_and_a_hidden_one(
    page: Page, bundled: ResNet50FineTuned, xray: Path, tmp_path: Path
) -> None:
    hidden = tmp_path / ".film.png"
    hidden.write_bytes(xray.read_bytes())
    for path in (xray, xray, hidden):
        upload(page, path)
        assert_shows(page, bundled, xray)


def test_a_download_is_the_panel_at_full_resolution(page: Page, xray: Path) -> None:
    upload(page, xray)
    for panel in PANELS:
        with page.expect_download() as download:
            page.locator(f"[data-panel={panel}]").get_by_role("button", name="download").click()
        written = as_array(download.value.path().read_bytes())
        np.testing.assert_array_equal(written, pixels_of(page, panel))
        assert written.shape == (260, 320, 3)
        assert "DOE" not in download.value.suggested_filename


def test_full_screen_shows_one_panel_with_its_controls(page: Page, xray: Path) -> None:
    upload(page, xray)
    large = page.get_by_role("button", name="Overlay: full screen")
    large.click()
    page.wait_for_function("() => document.fullscreenElement?.matches('.viewer')")
    expect(page.locator("[data-panel=original]")).to_be_hidden()
    expect(page.get_by_role("slider", name="Heat map opacity")).to_be_visible()
    large.click()
    page.wait_for_function("() => document.fullscreenElement === null")
    expect(page.locator("[data-panel=original]")).to_be_visible()


def test_where_full_screen_is_refused_the_panel_fills_the_window(page: Page, xray: Path) -> None:
    upload(page, xray)
    page.evaluate("() => { Element.prototype.requestFullscreen = undefined; }")
    page.get_by_role("button", name="Overlay: full screen").click()
    assert page.locator("#viewer .viewer").bounding_box() == {
        "x": 0,
        "y": 0,
        "width": 1440,
        "height": 900,
    }
    page.keyboard.press("Escape")
    expect(page.locator("[data-panel=original]")).to_be_visible()


@pytest.mark.slow
def test_of_two_quick_clicks_the_last_one_counts_everywhere(
    page: Page, bundled: ResNet50FineTuned
) -> None:
    page.evaluate(
        "() => { const [first, second] = document.querySelectorAll('#examples button');"
        " first.click(); second.click(); }"
    )
    last = example_files()[1]
    expected = as_rgb(read_radiograph(last).pixels)
    page.wait_for_selector("#viewer .viewer[data-shown]")
    wait_until(lambda: np.array_equal(pixels_of(page, "original"), expected))
    page.wait_for_selector("#viewer .viewer[data-shown]")
    assert_shows(page, bundled, last)
    predicted = answer(bundled, last).predicted_class
    expect(page.locator("#answer dt").first).to_have_text(predicted)


def test_a_pasted_xray_is_shown(page: Page, bundled: ResNet50FineTuned, xray: Path) -> None:
    page.evaluate(
        """base64 => {
          const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([bytes], "image.png", { type: "image/png" }));
          document.body.dispatchEvent(
            new ClipboardEvent("paste", { clipboardData, bubbles: true }));
        }""",
        base64.b64encode(xray.read_bytes()).decode(),
    )
    page.wait_for_selector("#viewer .viewer[data-shown]")
    assert_shows(page, bundled, xray)


def test_the_keyboard_alone_is_enough(page: Page) -> None:
    page.get_by_role("button", name="Example 1").focus()
    with next_image(page):
        page.keyboard.press("Enter")
    page.locator("#class input[type=radio]:checked").focus()
    page.keyboard.press("Tab")  # Gradio's radio buttons are tab stops of their own
    with next_image(page):
        page.keyboard.press("Space")
    before = pixels_of(page, "overlay")
    page.get_by_role("slider", name="Heat map opacity").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer .opacity b")).to_have_text("51 %")
    page.keyboard.press("Tab")
    page.keyboard.press("v")
    expect(page.get_by_role("combobox", name="Colour map")).to_have_value("viridis")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Layout of the panels")).to_be_focused()
    assert (pixels_of(page, "overlay") != before).any()


@pytest.mark.slow
def test_everything_has_a_name_for_screen_readers(page: Page, xray: Path) -> None:
    upload(page, xray)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('#viewer button, #viewer input, #viewer select,'
            + ' #examples button')]
          .filter(e => ![e.getAttribute('aria-label'), e.labels?.[0]?.textContent, e.textContent]
            .some(name => name?.trim()))
          .map(e => e.outerHTML)"""
    )
    assert nameless == []
    expect(page.get_by_role("img", name=re.compile("^Heat map of the evidence for"))).to_have_count(
        1
    )
    expect(page.get_by_role("img", name="Original X-ray")).to_have_count(1)
    # Gradio has no words for what it announces after each event, and said "common.complete".
    page.wait_for_function(
        "[...document.querySelectorAll('.sr-only')].some(e => e.textContent.trim() === 'Done')"
    )


def test_nothing_leaves_this_machine_and_nothing_stays(
    browser: Browser, url: str, xray: Path, cache: Path
) -> None:
    context = browser.new_context()
    page = context.new_page()
    requests = requests_during(page)
    page.goto(url)
    page.wait_for_selector("#viewer .panels canvas", state="attached")
    upload(page, xray)
    elsewhere = [r.url for r in requests if not r.url.startswith((url, "data:", "blob:"))]
    assert elsewhere == []
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    context.close()


def test_the_page_says_once_that_it_is_no_medical_device(page: Page) -> None:
    assert page.locator("body").inner_text().count("not a medical device") == 1
