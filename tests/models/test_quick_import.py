"""torchvision without torch's compiler, Gradio without writing its stubs; all work afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import cxr_gradcam.web
import gradio
from gradio import component_meta
print(component_meta.create_or_modify_pyi.__module__)
import cxr_gradcam.models.stages
print("torchvision" in sys.modules, "torch._dynamo" in sys.modules)
import torch
from torchvision.models import resnet18
from torchvision.ops import roi_align
print(tuple(resnet18(num_classes=2).eval()(torch.zeros(1, 3, 32, 32)).shape))
print("torch._dynamo" in sys.modules)
boxes = [torch.tensor([[0.0, 0.0, 4.0, 4.0]])]
print(tuple(roi_align(torch.zeros(1, 1, 8, 8), boxes, 2).shape))
print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item())
import torch._dynamo.utils
print(torch._dynamo.utils.is_compile_supported("cpu") in (True, False))
"""


@pytest.mark.slow
def test_what_takes_long_is_left_out_and_there_when_it_is_needed() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    lines = run.stdout.splitlines()
    assert lines[:2] == ["cxr_gradcam.quick_import", "True False"]
    assert lines[2:] == ["(1, 2)", "False", "(1, 1, 2, 2)", "2.0", "True"]
