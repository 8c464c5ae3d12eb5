"""Networks of transformers: places, classes and input by their own records; folders of theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from cxr_gradcam import CAM, CheckpointError, load_model
from cxr_gradcam.models.importing import convert

hf = pytest.importorskip("transformers")

NAMES = {
    "num_labels": 2,
    "id2label": {0: "Normal", 1: "Pneumonia"},
    "label2id": {"Normal": 0, "Pneumonia": 1},
}
VIT = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 64,
    "patch_size": 8,
}


def swin(kind: str = "Swin", **options: Any) -> Any:
    config = {"image_size": 64, "embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2]}
    config |= {"window_size": 4} | NAMES | options
    return getattr(hf, f"{kind}ForImageClassification")(getattr(hf, f"{kind}Config")(**config))


NETWORKS = {
    "Swin": (swin, 8),
    "Swinv2": (lambda: swin("Swinv2"), 8),
    "ViT": (lambda: hf.ViTForImageClassification(hf.ViTConfig(**VIT, **NAMES)), 8),
    "DeiT": (lambda: hf.DeiTForImageClassification(hf.DeiTConfig(**VIT, **NAMES)), 8),
    "BEiT": (
        lambda: hf.BeitForImageClassification(
            hf.BeitConfig(**VIT, **NAMES, use_relative_position_bias=True)
        ),
        8,
    ),
    "ConvNeXt": (
        lambda: hf.ConvNextForImageClassification(
            hf.ConvNextConfig(hidden_sizes=[8, 12, 16, 20], depths=[1] * 4, image_size=64, **NAMES)
        ),
        2,
    ),
    "ResNet": (
        lambda: hf.ResNetForImageClassification(
            hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], **NAMES)
        ),
        None,
    ),
}


def build(name: str) -> Any:
    torch.manual_seed(0)
    network = NETWORKS[name][0]().eval()
    with torch.no_grad():
        for parameter in network.parameters():  # fresh weights give all images one answer
            parameter.mul_(3)
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_places_follow_the_picture_and_classes_have_their_names(name: str) -> None:
    cam = CAM(build(name))
    assert cam.class_names == ("Normal", "Pneumonia")
    assert cam.preprocessing.size == (64 if NETWORKS[name][1] else 224)
    x = 0.3 * torch.randn(1, 3, 64, 64).repeat(3, 1, 1, 1)
    x[1, :, 4:16, 40:52] = 3.0
    x[2, :, 44:56, 8:20] = 3.0
    recorded = cam.record(x)
    places = recorded.activations(*recorded.layers)
    assert len(places) == 3
    assert NETWORKS[name][1] in (None, places.shape[-1])
    change = (places[1:] - places[:1]).norm(dim=1)
    upper, lower = (divmod(int(each.argmax()), each.shape[1]) for each in change)
    assert upper[0] < lower[0]
    assert upper[1] > lower[1]


def test_a_folder_of_save_pretrained_is_loaded_with_what_it_says(tmp_path: Path) -> None:
    network = build("ViT")
    network.save_pretrained(tmp_path)
    processor = {"size": {"height": 64, "width": 64}, "image_mean": [0.5] * 3}
    processor |= {"image_std": [0.25] * 3, "do_normalize": True, "do_rescale": True}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))

    model = load_model(f"hf:{tmp_path}")

    assert model.class_names == ("Normal", "Pneumonia")
    assert model.preprocessing.mean == (0.5, 0.5, 0.5)
    assert model.preprocessing.std == (0.25, 0.25, 0.25)
    assert model.provenance is not None
    assert model.provenance.architecture == "transformers:vit"
    assert not any("statistics" in each for each in model.assumptions)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model.record(x).logits, network(x).logits)
    with pytest.raises(CheckpointError, match="name it as hf:FOLDER"):
        convert(f"hf:{tmp_path}", tmp_path / "new.safetensors")


@pytest.mark.parametrize(
    ("said", "black", "white"),
    [
        ({"do_normalize": False}, 0.0, 1.0),
        ({"do_normalize": False, "do_rescale": False}, 0.0, 255.0),
        (
            {"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False},
            -1.0,
            1.0,
        ),
        ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3}, -1.0, 1.0),
    ],
)
def test_values_are_scaled_as_the_folder_says(
    said: dict[str, Any], black: float, white: float, tmp_path: Path
) -> None:
    build("ViT").save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": 64} | said))
    grey = torch.tensor([[[[0.0, 1.0]]]])
    values = load_model(f"hf:{tmp_path}").preprocessing.normalize(grey)[0, 0, 0]
    torch.testing.assert_close(values, torch.tensor([black, white]))


def test_without_its_file_the_statistics_are_assumed_and_named(tmp_path: Path) -> None:
    build("ViT").save_pretrained(tmp_path)
    assert any("ImageNet statistics assumed" in e for e in load_model(f"hf:{tmp_path}").assumptions)
    assert any("ImageNet statistics assumed" in e for e in CAM(build("ViT")).assumptions)


def test_a_folder_without_a_head_is_refused(tmp_path: Path) -> None:
    build("ViT").save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "classifier" not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks weights .*classifier.*with its head"):
        load_model(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("config", "message"),
    [(None, "no config.json"), ("{", "no readable JSON"), ('{"model_type": "?"}', "cannot|can")],
)
def test_a_folder_of_something_else_is_refused(
    config: str | None, message: str, tmp_path: Path
) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(CheckpointError, match=message):
        load_model(f"hf:{tmp_path}")


def test_a_folder_of_timm_names_its_classes_and_statistics(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=2).eval()
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    config = {
        "architecture": "resnet10t",
        "num_classes": 2,
        "label_names": ["no", "yes"],
        "pretrained_cfg": {"mean": [0.4] * 3, "std": [0.3] * 3, "input_size": [3, 64, 64]},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = load_model(f"hf:{tmp_path}")
    assert model.class_names == ("no", "yes")
    assert model.preprocessing.mean == (0.4, 0.4, 0.4)
    assert model.preprocessing.size == 64
