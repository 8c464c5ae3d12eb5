"""A link shares the view: copied on one page, opened on another."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.web.page import Page as ViewerPage
from tests.browser.conftest import Open
from tests.browser.test_viewer import (
    PANELS,
    choose,
    next_image,
    on_screen,
    open_example,
    open_settings,
    two_frames,
    upload,
)
from tests.helpers.proxy import reverse_proxy
from tests.helpers.serving import serving

NO_CLIPBOARD = """
Object.defineProperty(navigator, "clipboard", { value: undefined });
document.execCommand = () => false;
"""


def said(page: Page) -> str:
    return page.locator(".notice [role=status]").inner_text()


def copy_link(page: Page) -> str:
    page.get_by_role("button", name="Copy settings link").press("Enter")
    expect(page.locator(".notice")).to_contain_text("Link copied")
    return page.evaluate("navigator.clipboard.readText()")


def settings(page: Page) -> dict:
    return page.evaluate("document.querySelector('#viewer .viewer').viewer.settings()")


def apply(page: Page, **some: object) -> None:
    page.evaluate("some => document.querySelector('#viewer .viewer').viewer.apply(some)", some)
    two_frames(page)


def choose_class(page: Page, name: str) -> None:
    with next_image(page):
        page.get_by_role("radio", name=name).check()


def look_closely(page: Page) -> None:
    """Change whatever a link keeps."""
    choose_class(page, "Normal")
    open_settings(page)
    with next_image(page):
        choose(page, "Method", "LayerCAM")
    with next_image(page):
        page.get_by_role("radio", name="Finest").check()
    with next_image(page):
        choose(page, "Question", "What speaks against Normal?")
    apply(
        page,
        opacity=80,
        colormap="viridis",
        style="contours",
        threshold=15,
        window={"low": 0.1234567, "high": 0.77, "inverted": True},
        view={"x": 0.41, "y": 0.37, "zoom": 2.345678},
    )


def wait_for_map(page: Page, shown: str) -> None:
    page.wait_for_function(
        "end => document.querySelector('#viewer .viewer').dataset.shown?.endsWith(end)", arg=shown
    )
    two_frames(page)


def shown(page: Page) -> str:
    return page.locator("#viewer .viewer").get_attribute("data-shown").split(" ", 1)[1]


def flat(settings: dict) -> dict:
    window, view, layout = (settings.pop(name) for name in ("window", "view", "layout"))
    return settings | window | view | {"arrangement": layout["arrangement"]}


def assert_same_view(page: Page, other: Page) -> None:
    wait_for_map(other, shown(page))
    assert flat(settings(other)) == pytest.approx(flat(settings(page)))
    for panel in PANELS:
        np.testing.assert_array_equal(on_screen(other, panel), on_screen(page, panel), panel)


def test_a_copied_link_opens_the_same_view_elsewhere(url: str, opened: Open) -> None:
    page = opened(url)
    open_example(page, 1)
    look_closely(page)
    link = copy_link(page)
    assert link.startswith(url)
    assert len(link) < 300
    other = opened(link)
    assert_same_view(page, other)
    expect(other.get_by_role("radio", name="Normal")).to_be_checked()
    expect(other.get_by_label("Question", exact=True)).to_have_value("What speaks against Normal?")
    assert said(other) == ""
    assert copy_link(other) == link


def test_a_link_of_ones_own_x_ray_names_nothing_of_it(url: str, opened: Open, film: Path) -> None:
    page = opened(url)
    upload(page, film)
    page.get_by_role("combobox", name="Window").select_option(index=1)
    other = page.get_by_role("radio", checked=False, name=re.compile("Normal|Pneumonia"))
    name = other.get_attribute("value")
    choose_class(page, name)
    link = copy_link(page)
    query = parse_qs(urlsplit(link).query)
    assert query == {
        "model": ["model"],
        "class": [name],
        "method": ["gradcam"],
        "detail": ["fine"],
        "opacity": ["50"],
        "colors": ["jet"],
        "style": ["even"],
        "threshold": ["0"],
        "window": ["2"],
    }
    other = opened(link)
    hidden = other.get_by_role("radio", name=name, include_hidden=True)
    expect(hidden).to_be_checked()  # it is shown with the X-ray
    upload(other, film)
    assert_same_view(page, other)


@pytest.mark.slow
def test_the_settings_are_for_the_first_picture_alone(url: str, opened: Open, film: Path) -> None:
    page = opened(f"{url}?class=Normal&window=9&place=0.5,0.5,3")
    expect(page.get_by_role("radio", name="Normal", include_hidden=True)).to_be_checked()
    upload(page, film)
    expect(page.locator(".notice [role=status]")).to_have_text(
        "This X-ray does not have the grey scale that the link named."
    )
    assert shown(page).startswith("normal")
    assert settings(page)["view"]["zoom"] == 3
    open_example(page, 1)
    assert shown(page).startswith("pneumonia")
    assert settings(page)["view"]["zoom"] == 1


@pytest.mark.slow
def test_a_slow_method_follows_when_the_x_ray_is_shown(url: str, opened: Open) -> None:
    page = opened(f"{url}?example=1&method=ablationcam&detail=coarse")
    wait_for_map(page, "normal-ablationcam-layer4")
    open_settings(page)
    expect(page.get_by_label("Method", exact=True)).to_have_value("Ablation-CAM (slow)")


def test_a_hostile_link_is_named_and_runs_nothing(url: str, opened: Open) -> None:
    hostile = "%3Cimg%20src=x%20onerror=%22document.title='ran'%22%3E"
    names = ["class", "method", "colors", "style", "window", "place", "opacity"]
    page = opened(f"{url}?example=1&" + "&".join(f"{name}={hostile}" for name in names))
    page.wait_for_function("document.querySelector('#viewer .viewer').dataset.shown")
    assert said(page).startswith("The link named a class, a method, an opacity, a colour map")
    assert page.locator("#sharing img").count() == 0
    assert page.title() != "ran"
    assert settings(page)["colormap"] == "jet"


def test_one_unknown_value_leaves_the_others(url: str, opened: Open) -> None:
    page = opened(f"{url}?__theme=dark&example=2&colors=sepia&opacity=30")
    wait_for_map(page, "pneumonia-gradcam-layer3-layer4")
    assert said(page) == (
        "The link named a colour map that is not offered; the usual one is shown."
    )
    assert settings(page)["opacity"] == 30


def test_where_the_clipboard_is_refused_the_link_can_be_taken(url: str, opened: Open) -> None:
    page = opened(url)
    page.evaluate(NO_CLIPBOARD)
    open_example(page, 0)
    page.get_by_role("button", name="Copy settings link").click()
    field = page.get_by_label("The link")
    expect(field).to_be_focused()
    assert field.input_value().startswith(url)
    assert page.evaluate("getSelection().toString()") == field.input_value()
    expect(page.get_by_role("dialog", name="Copy by hand")).to_contain_text(
        "copy the link yourself"
    )


@pytest.mark.slow
def test_below_a_path_of_another_server(
    bundled: ResNet50FineTuned, opened: Open, tmp_path: Path
) -> None:
    with (
        serving(lambda: ViewerPage(bundled), tmp_path, root_path="/xray") as address,
        reverse_proxy(address, "/xray") as outside,
    ):
        page = opened(outside)
        open_example(page, 2)
        apply(page, opacity=70, view={"x": 0.5, "y": 0.5, "zoom": 2})
        link = copy_link(page)
        assert link.startswith(f"{outside}?model=")
        assert_same_view(page, opened(link))


SPACE = "https://huggingface.co/spaces/somebody/xray"


@pytest.mark.slow
def test_in_the_frame_of_a_space_the_link_leads_to_the_app(browser: Browser, url: str) -> None:
    frame = f'<iframe src="{url}" width="1200" height="800"></iframe>'
    take = "<script>onmessage = ({data}) => { window.query = data.queryString }</script>"
    context = browser.new_context()
    context.route(SPACE, lambda route: route.fulfill(body=take + frame, content_type="text/html"))
    outside = context.new_page()
    outside.goto(SPACE)
    app = outside.frame_locator("iframe")
    app.locator("#viewer .panels canvas").first.wait_for(state="attached")
    app.locator("#examples button").first.click()
    app.locator("#viewer .viewer[data-shown]").wait_for()
    app.get_by_role("button", name="Copy settings link").click()
    field = app.get_by_label("The link")  # this frame may not write to the clipboard
    expect(field).to_have_value(re.compile(f"^{re.escape(url)}\\?model="))
    assert outside.evaluate("window.query") == "?" + field.input_value().split("?")[1]
    context.close()


@pytest.mark.slow
def test_on_a_phone_the_link_is_copied_and_opened_by_touch(browser: Browser, url: str) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{url}?example=3&colors=cividis&style=fading")
    page.locator("#viewer .viewer[data-shown]").wait_for()
    page.get_by_role("button", name="Copy settings link").tap()
    expect(page.locator(".notice")).to_contain_text("Link copied")
    query = parse_qs(urlsplit(page.evaluate("navigator.clipboard.readText()")).query)
    assert (query["example"], query["colors"], query["style"]) == (["3"], ["cividis"], ["fading"])
    box = page.get_by_role("button", name="Copy settings link").bounding_box()
    assert box is not None
    assert box["height"] >= 44
    context.close()
