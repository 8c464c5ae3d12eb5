"""A real Chromium in front of the real app with the bundled weights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.evaluation.model_card import model_card
from cxr_gradcam.web.page import Page as ViewerPage
from tests.helpers.patience import PATIENCE
from tests.helpers.serving import serving

MILLISECONDS = 1000 * PATIENCE
expect.set_options(timeout=MILLISECONDS)

Open = Callable[[str], Page]
"""Opens an address, as another visitor."""

SIZE = {"width": 1440, "height": 900}
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    "--disable-features=LocalNetworkAccessChecks",  # a frame of another site shows this machine's
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            # The shell is the same engine without windows and menus of its own.
            found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
            started = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        except Error as error:
            stop = pytest.fail if os.environ.get("CI") else pytest.skip
            remedy = "install Debian's chromium-headless-shell or run `playwright install`"
            stop(f"no Chromium: {remedy} ({error})")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(started, "new_context", _patient(started.new_context))
            yield started
        started.close()


def _patient(new_context: Callable[..., BrowserContext]) -> Callable[..., BrowserContext]:
    """Let the pages of every new context wait as long as the machine is busy."""

    def make(**settings: Any) -> BrowserContext:
        context = new_context(**settings)
        context.set_default_timeout(MILLISECONDS)
        return context

    return make


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def url(bundled: ResNet50FineTuned, cache: Path) -> Iterator[str]:
    with serving(lambda: ViewerPage(bundled, model_card()), cache) as address:
        yield address


@pytest.fixture(scope="session")
def visited(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that may have the page's code in its cache."""
    with closing(browser.new_context(viewport=SIZE)) as context:
        yield context


@pytest.fixture
def page(visited: BrowserContext, url: str) -> Iterator[Page]:
    with closing(visited.new_page()) as opened:
        forget = {"origin": url.rstrip("/"), "storageTypes": "all"}
        visited.new_cdp_session(opened).send("Storage.clearDataForOrigin", forget)
        opened.goto(url)
        opened.wait_for_selector("#viewer .panels canvas", state="attached")
        yield opened


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film of 12 bits at 0.5 mm, whose rows run to the patient's left."""
    path = tmp_path / "film"
    stored = np.linspace(0, 4095, 200 * 160).reshape(200, 160).astype(np.uint16)
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    file.Modality, file.PhotometricInterpretation = "CR", "MONOCHROME2"
    file.Rows, file.Columns, file.SamplesPerPixel = *stored.shape, 1
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 12, 11, 0
    file.WindowCenter, file.WindowWidth = [2000, 1000], [2001, 501]
    file.WindowCenterWidthExplanation = ["SOFT", "HARD"]
    file.ImagerPixelSpacing = [0.5, 0.5]
    file.PatientOrientation = ["L", "F"]
    file.PixelData = stored.tobytes()
    file.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Open addresses, each as another visitor."""
    contexts = []

    def open_page(address: str) -> Page:
        context = browser.new_context(viewport=SIZE)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.goto(address)
        page.locator("#viewer .panels canvas").first.wait_for(state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
