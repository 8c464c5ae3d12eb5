"""Window, zoom, contours and measuring, as a reader does them in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.imaging.contours import contour_overlay
from cxr_gradcam.imaging.reading import read_for_viewing
from cxr_gradcam.imaging.rendering import as_rgb, overlay
from tests.browser.test_viewer import (
    answer,
    on_screen,
    pixels_of,
    requests_during,
    two_frames,
    upload,
)

WINDOW = "As the model saw it (SOFT)"


def canvas(page: Page, panel: str = "overlay") -> Locator:
    return page.locator(f"[data-panel={panel}] canvas")


def middle(page: Page, panel: str = "overlay") -> tuple[float, float]:
    box = canvas(page, panel).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def open_more(page: Page) -> None:
    page.get_by_role("button", name="More settings").click()


def test_windows_are_the_files_and_ones_own(page: Page, film: Path) -> None:
    upload(page, film)
    requests = requests_during(page)
    _, stored = read_for_viewing(film)
    chooser = page.get_by_role("combobox", name="Window")
    labels = chooser.locator("option").all_inner_texts()
    assert labels == ["Model input (SOFT)", "Stored 2 (HARD)", *labels[2:-1], "Own"]
    assert len(labels) == len(stored.windows) + 1

    chooser.select_option("Stored 2 (HARD)")
    two_frames(page)
    values = stored.values.astype(float)
    hard = np.clip(np.floor((values - 749.5) / 500 * 255 + 0.5), 0, 255)
    np.testing.assert_array_equal(pixels_of(page, "original")[..., 0], hard)

    page.get_by_role("button", name="Invert").click()
    two_frames(page)
    np.testing.assert_array_equal(pixels_of(page, "original")[..., 0], 255 - hard)
    page.keyboard.press("i")
    open_more(page)
    page.get_by_label("Level").fill("2048")
    page.get_by_label("Width").fill("1024")
    two_frames(page)
    expect(chooser).to_have_value("own")
    own = np.clip(np.floor((values - 1536) / 1024 * 255 + 0.5), 0, 255)
    np.testing.assert_array_equal(pixels_of(page, "original")[..., 0], own)

    page.get_by_role("button", name="Reset window").click()
    expect(chooser).to_have_value(WINDOW)
    assert requests == []


def test_dragging_with_the_right_button_sets_the_window(page: Page, film: Path) -> None:
    upload(page, film)
    before = on_screen(page, "original").mean()
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x, y - 60, steps=3)  # up: brighter
    page.mouse.up(button="right")
    two_frames(page)
    assert on_screen(page, "original").mean() > before + 5
    expect(page.get_by_role("combobox", name="Window")).to_have_value("own")


def test_wheel_keys_and_dragging_move_all_panels_alike(page: Page, film: Path) -> None:
    upload(page, film)
    requests = requests_during(page)
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -500)
    two_frames(page)
    zoom = view(page)["zoom"]
    assert zoom > 1.5
    assert view(page)["x"] == pytest.approx(0.5, abs=0.02)  # around the pointer

    page.mouse.down()
    page.mouse.move(x + 50, y, steps=3)
    page.mouse.up()
    two_frames(page)
    assert view(page)["x"] < 0.5

    canvas(page).focus()
    page.keyboard.press("+")
    two_frames(page)
    assert view(page)["zoom"] == pytest.approx(1.5 * zoom)
    page.keyboard.press("ArrowRight")
    two_frames(page)
    page.keyboard.press("0")
    two_frames(page)
    assert view(page) == {"x": 0.5, "y": 0.5, "zoom": 1}
    page.keyboard.press("1")
    two_frames(page)
    size = page.evaluate("() => document.querySelector('.viewer').viewer.panels.size()")
    fits = min(size["width"] / 160, size["height"] / 200)
    assert view(page)["zoom"] == pytest.approx(1 / fits)
    page.keyboard.press("0")
    two_frames(page)
    assert view(page)["zoom"] == 1
    assert requests == []


def view(page: Page) -> dict[str, float]:
    shown: dict[str, float] = page.evaluate(
        "() => document.querySelector('.viewer').viewer.settings().view"
    )
    return shown


def test_a_slow_machine_draws_coarsely_while_one_change_follows_another(
    page: Page, film: Path
) -> None:
    upload(page, film)
    width = on_screen(page, "overlay").shape[1]
    widths = page.evaluate(
        """async () => {
          const { drawing, view } = document.querySelector("#viewer .viewer").viewer;
          const canvas = document.querySelector("[data-panel=overlay] canvas");
          drawing.frame = 0.01; // ms: more than that is slow
          const drawn = [];
          for (const zoom of [1.1, 1.2, 1.3]) {
            view.set(0.5, 0.5, zoom);
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
            drawn.push(canvas.width);
          }
          return drawn;
        }"""
    )
    assert widths == [width, -(-width // 4), -(-width // 4)]
    assert on_screen(page, "overlay").shape[1] == width


def test_pixel_by_pixel_shows_the_pixels_themselves(page: Page, film: Path) -> None:
    upload(page, film)
    canvas(page).focus()
    page.keyboard.press("s")
    page.evaluate("() => document.querySelector('.viewer').viewer.view.set(0.5, 0.5, 40)")
    two_frames(page)
    greys = np.unique(on_screen(page, "original")[0, :, 0])
    exact = np.unique(pixels_of(page, "original")[..., 0])
    assert set(greys) <= set(exact)


def test_fading_threshold_and_contours_are_pythons(
    page: Page, bundled: ResNet50FineTuned, xray: Path
) -> None:
    upload(page, xray)
    open_more(page)
    radiograph, _ = read_for_viewing(xray)
    original, heatmap = as_rgb(radiograph.pixels), answer(bundled, xray).heatmap
    for style, threshold, expected in [
        ("even", 40, overlay(original, heatmap, threshold=0.4)),
        ("fading", 0, overlay(original, heatmap, fading=True)),
        ("fading", 25, overlay(original, heatmap, fading=True, threshold=0.25)),
        ("contours", 0, contour_overlay(original, heatmap)),
    ]:
        page.get_by_label("Heat map on the X-ray").select_option(style)
        page.get_by_label("Hide heat below").fill(str(threshold))
        two_frames(page)
        np.testing.assert_array_equal(pixels_of(page, "overlay"), expected)


def test_the_readout_and_the_ruler_say_mm_and_where(page: Page, film: Path) -> None:
    upload(page, film)
    page.get_by_role("radio", name="Measure").click()
    x, y = middle(page)
    page.mouse.move(x, y)
    readout = page.locator("#viewer .readout")
    expect(readout).to_have_text(re.compile(r"x 80, y 100 · grey value 20\d\d · heat map \d+ %"))
    scale = page.evaluate(
        "() => { const v = document.querySelector('.viewer').viewer, s = v.panels.size();"
        " return v.view.scale({width: 160, height: 200}, s) / s.ratio; }"
    )
    page.mouse.down()
    page.mouse.move(x + 40 * scale, y, steps=4)
    page.mouse.up()
    expect(readout).to_contain_text("length 20.0 mm (on the detector")
    marks = page.locator("[data-panel=original] svg text")
    assert {"L", "R", "H", "F", "2 cm", "20.0 mm"} <= set(marks.all_text_contents())


def test_measuring_by_keys(page: Page, film: Path) -> None:
    upload(page, film)
    canvas(page).focus()
    for key in ("m", "ArrowRight", "Enter", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#viewer .readout")).to_contain_text("length 1.6 mm")


def test_arrow_keys_walk_within_a_group_of_tools(page: Page, film: Path) -> None:
    upload(page, film)
    page.get_by_role("radio", name="Move").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Window", exact=True)).to_be_focused()
    expect(page.get_by_role("radio", name="Window", exact=True)).to_be_checked()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#viewer .modes button").last).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="Zoom in")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("combobox", name="Window")).to_be_focused()


def test_the_colours_for_the_colour_blind_come_in_one_click(page: Page, xray: Path) -> None:
    upload(page, xray)
    open_more(page)
    page.get_by_role("button", name="Colours for the colour-blind").click()
    expect(page.get_by_role("combobox", name="Colour map")).to_have_value("cividis")


def test_the_keys_are_listed(page: Page) -> None:
    page.get_by_role("button", name="Keys").click()
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("Whole X-ray")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("b")
    expect(page.get_by_label("Compare with")).to_be_hidden()  # there is nothing to compare yet


def test_a_key_leads_to_the_comparison(page: Page, film: Path) -> None:
    upload(page, film)
    page.keyboard.press("f")
    expect(page.get_by_label("Compare with")).to_be_hidden()
    page.keyboard.press("b")
    expect(page.get_by_label("Compare with")).to_be_focused()


def test_settings_go_round_and_nonsense_is_left_out(page: Page, film: Path) -> None:
    upload(page, film)
    wanted = {
        "opacity": 30,
        "colormap": "magma",
        "style": "fading",
        "threshold": 20,
        "window": {"low": 0.1, "high": 0.8, "inverted": True},
        "view": {"x": 0.5, "y": 0.5, "zoom": 3},
    }
    kept = page.evaluate(
        "wanted => { const v = document.querySelector('.viewer').viewer; v.apply(wanted);"
        " v.apply({opacity: 1e9, colormap: '__proto__', style: '<b>', threshold: 'x',"
        " window: {low: NaN}, view: {x: 'a', y: null, zoom: -1}}); return v.settings(); }",
        wanted,
    )
    assert kept["view"] == wanted["view"]
    assert {name: kept[name] for name in ("opacity", "colormap", "style", "threshold")} == {
        name: wanted[name] for name in ("opacity", "colormap", "style", "threshold")
    }


def test_two_fingers_zoom_on_a_phone(page: Page, film: Path) -> None:
    upload(page, film)
    page.evaluate(
        """() => {
          const canvas = document.querySelector("[data-panel=overlay] canvas");
          canvas.setPointerCapture = () => {};
          const box = canvas.getBoundingClientRect();
          const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
          const send = (kind, pointerId, dx) => canvas.dispatchEvent(new PointerEvent(kind,
            { pointerId, pointerType: "touch", button: 0, clientX: x + dx, clientY: y }));
          send("pointerdown", 1, -20); send("pointerdown", 2, 20);
          send("pointermove", 1, -40); send("pointermove", 2, 40);
          send("pointerup", 1, -40); send("pointerup", 2, 40);
        }"""
    )
    two_frames(page)
    assert view(page)["zoom"] == pytest.approx(2, rel=0.01)
