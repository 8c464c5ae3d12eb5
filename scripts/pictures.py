"""Make the pictures of README and docs anew: `python -m scripts.pictures [page|methods]`."""

from __future__ import annotations

import shutil
import sys
from io import BytesIO
from pathlib import Path

import cv2
from PIL import Image
from playwright.sync_api import Page as Tab
from playwright.sync_api import sync_playwright

from cxr_gradcam import METHODS, ResNet50FineTuned, examine, read_radiograph
from cxr_gradcam.bundled import example_files
from cxr_gradcam.cam.methods import SLOWEST
from cxr_gradcam.evaluation.model_card import model_card
from cxr_gradcam.explanation.display import Display
from cxr_gradcam.explanation.question import finest_layers
from cxr_gradcam.imaging.rendering import as_rgb
from cxr_gradcam.web.page import Page

IMAGES = Path(__file__).parents[1] / "docs" / "images"
EXAMPLE = 1  # index in `example_files`: a synthetic chest with an opacity
_SIDE = 288


def main(wanted: list[str]) -> int:
    """Make the pictures that are named, or all."""
    for name, make in {"methods": methods_pictures, "page": page_picture}.items():
        if not wanted or name in wanted:
            make()
    return 0


def methods_pictures() -> None:
    """Save the overlay of each method but the slowest on the same radiograph."""
    folder = IMAGES / "methods"
    folder.mkdir(parents=True, exist_ok=True)
    model = ResNet50FineTuned.from_checkpoint()
    radiograph = read_radiograph(example_files()[EXAMPLE])
    original = as_rgb(radiograph.pixels)
    examination = examine(model, radiograph, finest_layers(model))
    for name, method in METHODS.items():
        if name in SLOWEST:
            continue
        detail = "coarse" if method.is_slow else "fine"
        heatmap = examination.explain("Pneumonia", name, detail=detail).heatmap
        overlay = Display(style="fading", opacity=0.6).draw(original, heatmap)["overlay"]
        small = cv2.resize(overlay, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        Image.fromarray(small).save(folder / f"{name.replace('+', 'p')}.webp", quality=80)


def page_picture() -> None:
    """Save the page with an example, its map and its answer, as a real browser shows it."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    app = Page(ResNet50FineTuned.from_checkpoint(), model_card())
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
        _open_example(tab, address)
        shot = tab.screenshot()
        browser.close()
    app.close()
    image = Image.open(BytesIO(shot)).convert("RGB")
    image.save(IMAGES / "page.png", optimize=True)  # 256 colours would draw steps into the map


def _open_example(tab: Tab, address: str) -> None:
    tab.goto(f"{address}?example={EXAMPLE + 1}&class=Pneumonia&style=fading")
    tab.get_by_text("Evidence for Pneumonia", exact=False).first.wait_for()
    tab.wait_for_timeout(1_000)  # motion has ended


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
