"""Start the viewer in the browser; this is what a Hugging Face Space runs."""

from __future__ import annotations

import torch

from cxr_gradcam.evaluation.model_card import model_card
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.web.page import LAUNCH, build_interface

model = ResNet50FineTuned.from_checkpoint()
model.record(torch.zeros(1, 3, model.preprocessing.size, model.preprocessing.size))  # warm up
page = build_interface(model, model_card())

if __name__ == "__main__":
    page.launch(**LAUNCH)
