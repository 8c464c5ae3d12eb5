"""Start the viewer in the browser; a Hugging Face Space runs this file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.cli.options import FAILED, complain, keep_fonts_out_of_home
from cxr_gradcam.cli.weights import add_models, models_of
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.checkpoint import checksum
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.quick_import import without_collection
from cxr_gradcam.web.security import framing_origins
from cxr_gradcam.web.start.options import add_options, check_options

if TYPE_CHECKING:
    from cxr_gradcam.web.page import Page


def build_page(options: argparse.Namespace) -> Page:
    """Return the page for the models named by the options or else by the environment.

    Raises:
        ValueError: a model cannot be loaded.
    """
    with without_collection():
        from cxr_gradcam.web.page import Page
    models = models_of(options, os.environ)
    page = Page(models, {name: card_of(model) for name, model in models.items()})
    Thread(target=warm_up, args=[models.values()]).start()
    return page


def warm_up(models: Iterable[Classifier]) -> None:
    """Build objects that are built at first use; an X-ray opened meanwhile waits for them."""
    for model in models:
        model.record(model.prepare(Radiograph(np.zeros((8, 8), np.float32))))


def card_of(model: Classifier) -> str:
    """Return the model card for the bundled weights; "" for others."""
    known = model.provenance
    if known is None or known.settings or known.sha256 != checksum(bundled_checkpoint()):
        return ""
    return (Path(__file__).parent / "docs/model-card.md").read_text("utf-8")


def main(arguments: Sequence[str]) -> int:
    """Start the page, and serve it until the process is ended."""
    keep_fonts_out_of_home()  # Gradio imports matplotlib for every event
    parser = argparse.ArgumentParser(prog="app.py", description="Start the viewer in the browser.")
    add_options(parser)
    add_models(parser)
    options = parser.parse_args(arguments)
    try:
        check_options(options)
        framing_origins()  # refuses invalid origins before the page starts
        page = build_page(options)
    except ValueError as error:
        complain(str(error))
        return FAILED
    page.launch(mcp=options.mcp)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
