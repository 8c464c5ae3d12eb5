"""`convert`: anybody's weights become a file that says what they are, and give the same logits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
import torchxrayvision
from safetensors import safe_open
from torch import nn

from cxr_gradcam import CheckpointError, ResNet50FineTuned, load_model
from cxr_gradcam.bundled import bundled_checkpoint
from cxr_gradcam.models.importing import convert, converting
from tests.helpers.command_line import run

SIZE = 64
SAID = {
    "class_names": ("Mass", "Nodule", "Edema"),
    "input_size": SIZE,
    "mean": (0.5,),
    "std": (0.25,),
    "multi_label": True,
}


def network(name: str, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None, num_classes=3, **options).eval()


def deep_head() -> nn.Module:
    model = network("resnet18")
    model.fc = nn.Sequential(nn.Linear(512, 8), nn.ReLU(), nn.Linear(8, 3))
    return model.eval()


def grey_densenet() -> nn.Module:
    model = network("densenet121")
    stem = model.features.conv0
    stem.weight, stem.in_channels = nn.Parameter(stem.weight.mean(dim=1, keepdim=True)), 1
    return model


WRITTEN: dict[str, tuple[Callable[[], nn.Module], dict[str, Any]]] = {
    "resnet50": (lambda: network("resnet50"), {}),
    "densenet121": (lambda: network("densenet121"), {}),
    "resnet18": (deep_head, {}),
    "vit_b_16": (lambda: network("vit_b_16", image_size=SIZE), {}),
    "timm:resnet10t": (
        lambda: timm.create_model("resnet10t", num_classes=3).eval(),
        {"architecture": "timm:resnet10t"},
    ),
}

LARGE = "vit_b_16"
"""Its weights take 340 MB."""


def logits(model: Any, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.record(x).logits


def images(channels: int = 3) -> torch.Tensor:
    return torch.randn(2, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "name",
    [*(name for name in WRITTEN if name != LARGE), pytest.param(LARGE, marks=pytest.mark.slow)],
)
def test_the_new_file_needs_no_word_and_gives_the_logits_of_the_old(
    name: str, tmp_path: Path
) -> None:
    make, said = WRITTEN[name]
    wrote = make()
    torch.save({"state_dict": wrote.state_dict()}, tmp_path / "old.pth")

    made = convert(tmp_path / "old.pth", tmp_path / "new.safetensors", **SAID, **said)

    again = load_model(tmp_path / "new.safetensors", fast=False)
    with torch.no_grad():
        torch.testing.assert_close(logits(again, images()), wrote(images()))
    assert made.difference == 0
    assert again.class_names == SAID["class_names"]
    assert again.multi_label
    assert again.preprocessing.size == SIZE
    assert again.preprocessing.mean == (0.5, 0.5, 0.5)
    assert [each for each in again.assumptions if "ReLU" not in each] == []
    assert again.provenance is not None
    assert again.provenance.architecture == name
    assert again.provenance.settings == ""


def test_the_header_says_all_that_the_documentation_lists(tmp_path: Path) -> None:
    torch.save(network("resnet18").state_dict(), tmp_path / "old.pth")
    convert(tmp_path / "old.pth", tmp_path / "new.safetensors", input_size=SIZE)
    with safe_open(tmp_path / "new.safetensors", framework="pt") as file:
        header = json.loads(file.metadata()["cxr_gradcam"])
    assert header["architecture"] == "resnet18"
    assert header["class_names"] == ["class 0", "class 1", "class 2"]
    assert header["multi_label"] is False
    assert header["preprocessing"]["size"] == SIZE
    assert "ImageNet statistics assumed" in header["assumptions"]
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
    assert [key for key in header if f"`{key}`" not in page] == []


def test_what_was_assumed_is_still_named_until_somebody_says_it(tmp_path: Path) -> None:
    torch.save(network("resnet18").state_dict(), tmp_path / "old.pth")
    convert(tmp_path / "old.pth", tmp_path / "new.safetensors", input_size=SIZE)
    assert load_model(tmp_path / "new.safetensors").assumptions == (
        "ImageNet statistics assumed",
        "classes are numbered: their names are not known",
        "one class at a time assumed",
    )
    told = load_model(tmp_path / "new.safetensors", class_names="abc", mean=[0.5], std=[0.5])
    assert told.assumptions == ("one class at a time assumed",)


def test_a_converted_resnet50_is_one_of_from_checkpoint(tmp_path: Path) -> None:
    torch.save(network("resnet50").state_dict(), tmp_path / "old.pth")
    convert(tmp_path / "old.pth", tmp_path / "new.safetensors", **SAID)
    model = ResNet50FineTuned.from_checkpoint(tmp_path / "new.safetensors", fast=False)
    assert model.class_names == SAID["class_names"]
    assert model.multi_label
    again = load_model(tmp_path / "new.safetensors", fast=False)
    torch.testing.assert_close(logits(model, images()), logits(again, images()))


def test_another_network_is_none_of_from_checkpoint(tmp_path: Path) -> None:
    torch.save(network("resnet18").state_dict(), tmp_path / "old.pth")
    convert(tmp_path / "old.pth", tmp_path / "new.safetensors", input_size=SIZE)
    with pytest.raises(CheckpointError, match="resnet18, no ResNet50: load it with load_model"):
        ResNet50FineTuned.from_checkpoint(tmp_path / "new.safetensors")


def test_our_own_file_keeps_its_calibration_and_training(tmp_path: Path) -> None:
    old = load_model(bundled_checkpoint())
    new = convert(bundled_checkpoint(), tmp_path / "new.safetensors").model
    assert new.calibration == old.calibration
    assert new.trained_on == old.trained_on != ""
    assert new.ood_detector is not None
    assert (tmp_path / "new.safetensors").stat().st_size < 50_000_000  # still in half precision


def test_one_logit_may_have_two_names(tmp_path: Path) -> None:
    model = network("resnet50")
    model.fc = nn.Linear(2048, 1)
    torch.save(model.state_dict(), tmp_path / "old.pth")
    names = ("Normal", "Pneumonia")
    made = convert(
        tmp_path / "old.pth", tmp_path / "new.safetensors", class_names=names, input_size=SIZE
    )
    assert made.difference == 0
    assert made.model.class_names == names
    assert not made.model.multi_label
    with torch.no_grad():
        expected = model.eval()(images())[:, 0].sigmoid()
    shares = made.model.calibration.probabilities(logits(made.model, images()))
    torch.testing.assert_close(shares[:, 1], expected)


@pytest.mark.slow
def test_torchxrayvision_becomes_a_file_that_needs_no_torchxrayvision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = torchxrayvision.models.DenseNet(num_classes=3).eval()
    model.targets = ["Mass", "", "Edema"]
    monkeypatch.setattr(torchxrayvision.models, "get_model", lambda _: model)
    made = convert("torchxrayvision:any", tmp_path / "new.safetensors")
    again = made.model
    assert made.difference == 0
    assert again.provenance is not None
    assert again.provenance.architecture == "densenet121"
    assert again.class_names == ("Mass", "class 1", "Edema")
    assert again.multi_label
    assert again.preprocessing.mean == (0.5,)
    assert again.assumptions == ()


def test_what_changes_the_logits_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(network("resnet18").state_dict(), tmp_path / "old.pth")
    monkeypatch.setattr(
        converting, "save_checkpoint", lambda path, *_, **__: _damaged(path, tmp_path / "old.pth")
    )
    with pytest.raises(CheckpointError, match="it was not written"):
        convert(tmp_path / "old.pth", tmp_path / "new.safetensors", input_size=SIZE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.pth"]


def _damaged(path: Path, old: Path) -> None:
    tensors = torch.load(old, weights_only=True)
    torch.save(tensors | {"fc.bias": tensors["fc.bias"] + 1}, path)


def test_the_command_prints_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(network("resnet18").state_dict(), tmp_path / "old.pth")
    output = tmp_path / "new.safetensors"
    said = ("--classes", "Mass,Nodule,Edema", "--multi-label", "--input-size", SIZE)
    status, lines, errors = run(capsys, "convert", tmp_path / "old.pth", "--output", output, *said)
    assert status == 0, errors
    assert lines[0] == f"{output}: resnet18"
    assert lines[1:3] == ["classes: Mass, Nodule, Edema", "several at once: yes"]
    assert lines[-1] == "largest difference of the logits before and after: 0"
    assert "ImageNet statistics assumed" in errors


def test_the_new_file_is_a_safetensors_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, errors = run(capsys, "convert", "bundled", "--output", tmp_path / "new.pth")
    assert status == 2
    assert "let it end in .safetensors" in errors
