"""Start the viewer in the browser; this is what a Hugging Face Space runs."""

from __future__ import annotations

from cxr_gradcam.resnet50 import ResNet50FineTuned
from cxr_gradcam.web.interface import LAUNCH, build_interface

page = build_interface(ResNet50FineTuned.from_checkpoint())

if __name__ == "__main__":
    page.launch(**LAUNCH)
