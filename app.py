"""Start the viewer in the browser; this is what a Hugging Face Space runs."""

from __future__ import annotations

from pathlib import Path

import torch

from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.web.page import Page
from cxr_gradcam.web.start.options import parse

model = ResNet50FineTuned.from_checkpoint()
model.record(torch.zeros(1, 3, model.preprocessing.size, model.preprocessing.size))  # warm up
card = (Path(__file__).parent / "docs/model-card.md").read_text("utf-8")
page = Page(model, card, bundled_checkpoint())

if __name__ == "__main__":
    page.launch(mcp=parse().mcp)
