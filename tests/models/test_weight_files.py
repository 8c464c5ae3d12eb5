"""Files that hold several weights, figures beside them, other names, or no weights at all."""

from __future__ import annotations

import argparse
import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from cxr_gradcam import CheckpointError
from cxr_gradcam.models.importing.matching import build
from cxr_gradcam.models.importing.weight_files import read_weights


def state(seed: int = 0, classes: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return dict(torchvision.models.resnet18(num_classes=classes).state_dict())


def small(seed: float) -> dict[str, Tensor]:
    return {"conv.weight": torch.full((2, 3, 1, 1), seed), "fc.weight": torch.full((2, 2), seed)}


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def behind(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


TWO: dict[str, tuple[dict[str, Any], str, str]] = {
    "timm": ({"state_dict": small(1), "state_dict_ema": small(2)}, "state_dict", "state_dict_ema"),
    "nested": (
        {"model": small(1), "ema": {"state_dict": small(2), "updates": 3}},
        "model",
        "ema.state_dict",
    ),
    "names": ({**behind("model", small(1)), **behind("ema_model", small(2))}, "model", "ema_model"),
    "shadow": ({"model": small(1), "shadow": small(2)}, "model", "shadow"),
}


@pytest.mark.parametrize("name", TWO)
def test_averaged_weights_beside_raw_ones_are_named_and_can_be_chosen(
    name: str, tmp_path: Path
) -> None:
    content, raw, averaged = TWO[name]
    path = saved(tmp_path / "both.pth", content)
    found = read_weights(path)
    assert found.tensors["fc.weight"][0, 0] == 1
    assert found.key == raw
    assert "averaged weights (EMA)" in found.assumption
    assert repr(averaged) in found.assumption
    chosen = read_weights(path, averaged)
    assert chosen.tensors["fc.weight"][0, 0] == 2
    assert chosen.assumption == ""


def test_averages_of_an_optimizer_are_no_other_weights(tmp_path: Path) -> None:
    content = {"model": small(1), "optimizer": {"exp_avg": small(2)}}
    assert read_weights(saved(tmp_path / "file.pth", content)).assumption == ""


def test_a_key_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = saved(tmp_path / "file.pth", {"model": small(1)})
    with pytest.raises(CheckpointError, match="no weights under 'ema'; there are: 'model'"):
        read_weights(path, "ema")


def test_a_key_that_nobody_knows_is_found(tmp_path: Path) -> None:
    path = saved(tmp_path / "file.pth", {"best_params": small(1), "epoch": 3})
    assert read_weights(path).key == "best_params"


@pytest.mark.parametrize(
    "figure",
    [
        np.float64(0.9),
        np.float32(0.9),
        np.int64(3),
        np.bool_(True),
        np.array([0.1, 0.2]),
        argparse.Namespace(lr=0.1, data=Path("train")),
    ],
    ids=lambda figure: type(figure).__name__,
)
def test_figures_and_settings_beside_weights_are_read(figure: object, tmp_path: Path) -> None:
    path = saved(tmp_path / "file.pth", {"state_dict": small(1), "best": figure})
    assert read_weights(path).tensors["fc.weight"][0, 0] == 1


def zipped(*names: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"0")

    return write


def holding(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 97\n"
NOT_WEIGHTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "model.safetensors": (holding(LFS), "Git LFS pointer.*git lfs pull"),
    "model.pth": (holding(LFS), "Git LFS pointer.*git lfs pull"),
    "model.h5": (holding(b"\x89HDF\r\n\x1a\n" + bytes(8)), "Keras.*state_dict"),
    "model.keras": (zipped("metadata.json", "model.weights.h5"), "Keras.*state_dict"),
    "model.onnx": (holding(b"\x08\x07\x12\x07pytorch\x1a"), "ONNX.*state_dict"),
    "exported.bin": (holding(b"\x08\x08\x12\x07pytorch\x1a"), "ONNX.*state_dict"),
    "program.pt2": (zipped("p/archive_format", "p/models/model.json"), "torch.export"),
    "weights.zip": (zipped("run/best.pth"), "ZIP archive with run/best.pth.*unpack"),
    "weights.pth": (zipped("readme.txt"), "ZIP archive, not a file of weights.*unpack"),
    "arrays.npz": (zipped("arr_0.npy"), "NumPy.*state_dict"),
    "array.npy": (holding(b"\x93NUMPY\x01\x00"), "NumPy"),
    "weights.pth.gz": (lambda path: path.write_bytes(gzip.compress(b"x")), "gzip.*unpack"),
    "weights.tar": (holding(bytes(257) + b"ustar" + bytes(250)), "tar archive.*unpack"),
    "model.tflite": (holding(b"\x1c\x00\x00\x00TFL3"), "TensorFlow Lite"),
    "page.pth": (holding(b"<html>"), "web page.*download the file itself"),
}


@pytest.mark.parametrize("name", NOT_WEIGHTS)
def test_files_that_are_no_weights_are_named_for_what_they_are(name: str, tmp_path: Path) -> None:
    write, words = NOT_WEIGHTS[name]
    write(tmp_path / name)
    with pytest.raises(CheckpointError, match=words) as refused:
        read_weights(tmp_path / name)
    assert len(str(refused.value).splitlines()) == 1


def test_a_folder_is_no_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a folder.*hf:"):
        read_weights(tmp_path)


def apart(trunk: str, head: str) -> dict[str, Tensor]:
    """A trunk behind one prefix, and its head beside it behind another."""
    return {
        f"{head}{name[3:]}" if name.startswith("fc.") else f"{trunk}.{name}": tensor
        for name, tensor in state().items()
    }


def in_sequence(prefix: str) -> dict[str, Tensor]:
    network = torchvision.models.resnet18(num_classes=3)
    children = nn.Sequential(*list(network.children())[:-1])
    return {**behind(prefix, dict(children.state_dict())), **behind("linear", {
        "weight": torch.zeros(3, 512), "bias": torch.zeros(3)
    })}  # fmt: skip


OTHER_NAMES = {
    "resnet and classifier": apart("resnet", "classifier."),
    "all behind resnet": behind("resnet", state()),
    "two unknown prefixes": behind("lit", behind("cnn_model", state())),
    "mmpretrain": apart("backbone", "head.fc."),
    "a head of its own name": apart("image_encoder", "clf."),
    "a head in a module": apart("trunk", "head.module.linear."),
    "a head in a Sequential": apart("resnet", "classifier.1."),
    "numbered children": in_sequence("stem_and_stages"),
}


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_other_prefixes_and_heads_are_found(name: str) -> None:
    network, _, architecture = build(OTHER_NAMES[name], None)
    assert architecture == "resnet18"
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3)


def test_the_nearest_network_and_its_prefix_are_named() -> None:
    tensors = apart("resnet", "classifier.")
    tensors["resnet.extra.weight"] = torch.ones(2)
    with pytest.raises(CheckpointError, match=r"closest is resnet18 behind the prefix 'resnet\.'"):
        build(tensors, None)
