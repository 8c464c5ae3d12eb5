"""Networks by name, and files of weights that fit them or do not."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cxr_gradcam import CheckpointError
from cxr_gradcam.models.library_records import last_linear
from cxr_gradcam.training.networks import (
    build_network,
    load_weights,
    preprocessing_of,
)


def tiny(classes: int = 2, prefix: str = "") -> nn.Module:
    """A network of two layers, whose names differ with the prefix."""
    layers = {
        f"{prefix}body": nn.Conv2d(3, 4, 3),
        f"{prefix}norm": nn.BatchNorm2d(4),
        f"{prefix}pool": nn.AdaptiveAvgPool2d(1),
        f"{prefix}flat": nn.Flatten(),
        f"{prefix}head": nn.Linear(4, classes),
    }
    return nn.Sequential(OrderedDict(layers))


@pytest.mark.parametrize("name", ["torchvision:squeezenet1_1", "no_such_network", "timm:alexnet"])
def test_a_network_that_cannot_be_trained_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"linear head|no network"):
        build_network(name, 2)


@pytest.mark.parametrize("name", ["torchvision:mobilenet_v3_small", "timm:tf_efficientnet_lite0"])
def test_networks_of_two_libraries_are_built(name: str) -> None:
    network = build_network(name, 3).eval()
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
    assert last_linear(network).out_features == 3


def test_published_weights_say_how_they_want_their_input() -> None:
    lite = build_network("tf_efficientnet_lite0", 2)
    assert preprocessing_of(lite, 160).mean == (0.5, 0.5, 0.5)
    assert preprocessing_of(tiny(), 160).mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(
    ("suffix", "prefix"), [(".pth", ""), (".safetensors", ""), (".pth", "_other_")]
)
def test_weights_are_loaded_by_name_or_order(tmp_path: Path, suffix: str, prefix: str) -> None:
    torch.manual_seed(0)
    stored, network = tiny(classes=5, prefix=prefix), tiny()
    head = last_linear(network).weight.clone()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": stored.state_dict()}, path)
    else:
        save_file(stored.state_dict(), path)
    load_weights(network, path)
    assert torch.equal(network[0].weight, stored[0].weight)
    assert torch.equal(last_linear(network).weight, head)  # five classes are not these two


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(nn.Conv2d(3, 8, 3).state_dict(), path)
    with pytest.raises(CheckpointError, match="does not fit"):
        load_weights(tiny(), path)
    torch.save({**tiny().state_dict(), "body.weight": torch.zeros(4, 3, 5, 5)}, path)
    with pytest.raises(CheckpointError, match=r"body.weight is .*--network"):
        load_weights(tiny(), path)


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.pth", tmp_path / "executed"
    torch.save(Malicious(trace), path)
    with pytest.raises(CheckpointError, match="not read"):
        load_weights(tiny(), path)
    assert not trace.exists()
