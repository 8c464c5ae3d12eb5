"""The page in Firefox and in Safari's engine: it answers, and stands as it does in Chromium."""

from __future__ import annotations

import os
import shutil
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_gradcam.synthetic.chest import draw_phantom
from tests.browser.test_accessibility import TOUCH
from tests.helpers.drivers import Driver, firefox, webkit

FAULTS = (Path(__file__).parent / "layout_faults.js").read_text("utf-8")
SIZES = [(1280, 720), (1440, 900)]
VIEWER = "document.querySelector('#viewer .viewer')"
PLACED = """[...document.querySelectorAll("#viewer figure:not([hidden])")].every((figure) => {
  const room = document.querySelector("#viewer .panels").getBoundingClientRect();
  return figure.getBoundingClientRect().right <= room.right + 1;
})"""
CHOOSE = """
const transfer = new DataTransfer();
for (const [name, data] of arguments[0]) {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type: "image/png" }));
}
const field = document.querySelector("#upload input[type=file]");
field.files = transfer.files;
field.dispatchEvent(new Event("change", { bubbles: true }));
"""


def films() -> list[tuple[str, str]]:
    """Names and contents of three films, in base64."""
    made = []
    for number in range(3):
        data = BytesIO()
        pixels = draw_phantom(number, size=128).pixels
        Image.fromarray((pixels * 255).astype(np.uint8)).save(data, "PNG")
        made.append((f"{number}.png", b64encode(data.getvalue()).decode()))
    return made


def faults(driver: Driver) -> list[str]:
    driver.wait_for("!document.querySelector('.pending, .generating')")
    found = []
    for width, height in SIZES:
        driver.resize(width, height)
        driver.wait_for(f"innerWidth === {width}")
        driver.wait_for(PLACED)
        said = driver.run(f"return ({FAULTS})(arguments[0])", TOUCH)
        found += [f"{width} x {height}: {each}" for each in said]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "program"),
    [(firefox, "firefox-esr"), (webkit, "WebKitWebDriver")],
    ids=["Firefox", "WebKit"],
)
def test_the_main_states(
    start: Callable[[Path], AbstractContextManager[Driver]], program: str, url: str, tmp_path: Path
) -> None:
    if shutil.which(program) is None:
        stop = pytest.fail if os.environ.get("CI") else pytest.skip
        stop(f"{program} is not installed (Debian: firefox-esr, webkit2gtk-driver, xvfb)")
    found = {}
    with start(tmp_path) as driver:
        driver.resize(*SIZES[-1])
        driver.go(url)
        driver.wait_for("document.querySelectorAll('#examples button').length === 4")
        driver.wait_for(
            f"Boolean({VIEWER}?.viewer && document.querySelector('.worklist').dataset.model)"
        )
        found["empty"] = faults(driver)
        driver.run("document.querySelectorAll('#examples button')[1].click()")
        driver.wait_for(f"Boolean({VIEWER}.dataset.shown)")
        assert "Pneumonia likely" in driver.run(
            "return document.querySelector('#answer').textContent"
        )
        found["X-ray"] = faults(driver)
        driver.run(
            "const field = document.querySelector('#compare select'); field.value = 'class:Normal';"
            "field.dispatchEvent(new Event('change'))"
        )
        driver.wait_for(f"Boolean({VIEWER}.dataset.compared)")
        found["comparison"] = faults(driver)
        driver.run(CHOOSE, films())
        driver.wait_for("/^3 done/.test(document.querySelector('#worklist .state').textContent)")
        found["worklist"] = faults(driver)
    said = [f"{state}, {each}" for state, faults in found.items() for each in faults]
    assert not said, "\n".join(said)
