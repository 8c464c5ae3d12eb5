"""A real Chromium in front of the real app with the bundled weights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.evaluation.model_card import model_card
from cxr_gradcam.web.page import Page as ViewerPage

# A busy machine with two cores may take its time.
expect.set_options(timeout=30_000)

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=ARGUMENTS
            )
        except Error as error:
            stop = pytest.fail if os.environ.get("CI") else pytest.skip
            stop(f"no Chromium: install Debian's chromium or run `playwright install` ({error})")
        yield started
        started.close()


@pytest.fixture(scope="session")
def bundled() -> ResNet50FineTuned:
    return ResNet50FineTuned.from_checkpoint()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def url(bundled: ResNet50FineTuned, cache: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(cache))
        app = ViewerPage(bundled, model_card())
        _, address, _ = app.launch(prevent_thread_lock=True, quiet=True)
        yield address
        app.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.goto(url)
    opened.wait_for_selector("#viewer .panels canvas")
    yield opened
    context.close()
