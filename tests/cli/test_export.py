"""export: the file, what is said, and what is refused."""

import json

import pytest
import torch

from cxr_gradcam.cli import export as command
from tests.helpers.command_line import run

pytest.importorskip("openvino")
onnx = pytest.importorskip("onnx")


@pytest.fixture
def checkpoint(tmp_path):
    """Weights of a ResNet18 of two classes, as torch.save writes them."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    path = tmp_path / "old.pth"
    torch.save(resnet18(weights=None, num_classes=2).state_dict(), path)
    return path


def test_anybodys_resnet_becomes_a_file(checkpoint, tmp_path, capsys):
    output = tmp_path / "new.onnx"
    words = ("export", output, "--model", checkpoint, "--classes", "ill,well", "--half")
    status, lines, _ = run(capsys, *words, "--input-size", "64")
    assert status == 0
    assert lines[0] == f"{output}: {output.stat().st_size / 1e6:.0f} MB"
    assert lines[1] == "classes: ill, well"
    assert lines[2].startswith("logits and maps differ from the network's by")
    said = {each.key: each.value for each in onnx.load(output).metadata_props}
    assert json.loads(said["class_names"]) == ["ill", "well"]
    assert "licence" not in said  # nobody knows it


def test_a_missing_onnx_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda _name: None)
    status, lines, errors = run(capsys, "export", tmp_path / "new.onnx")
    assert (status, lines) == (2, [])
    assert errors == "error: onnx, openvino missing: pip install 'cxr-gradcam[export]'\n"
