"""Where the weights of ResNet50FineTuned come from."""

from urllib.error import URLError

import pytest
import torch
import torchvision

from cxr_gradcam import explain, read_radiograph
from cxr_gradcam.bundled import bundled_checkpoint, example_files
from cxr_gradcam.models.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from tests.helpers.resnet50 import assert_same_tensors


def test_bundled_weights_bring_features_and_head():
    model, bundled = ResNet50FineTuned(), load_checkpoint(bundled_checkpoint())
    assert model.class_names == bundled.class_names == ("Normal", "Pneumonia")
    assert model.preprocessing == bundled.preprocessing
    assert_same_tensors(dict(model.state_dict()), dict(bundled.state_dict))
    assert not model.gradcam_enabled


def test_bundled_features_serve_another_number_of_classes():
    model, bundled = ResNet50FineTuned(num_classes=5), load_checkpoint(bundled_checkpoint())
    state = dict(model.state_dict())
    assert state.pop("resnet50.fc.weight").shape == (5, 2048)
    assert state.pop("resnet50.fc.bias").shape == (5,)
    assert_same_tensors(state, {name: bundled.state_dict[name] for name in state})
    assert model.class_names == tuple(f"class {index}" for index in range(5))
    assert model.preprocessing == bundled.preprocessing


def test_no_weights_are_random_ones():
    torch.manual_seed(1)
    first, second = (ResNet50FineTuned(weights=None).resnet50.conv1.weight for _ in range(2))
    assert (first - second).abs().max() > 0.01


@pytest.fixture
def checkpoint_path(shared_model, tmp_path):
    path = tmp_path / "three.safetensors"
    names, preprocessing = ("a", "b", "c"), Preprocessing(64, (0.5,) * 3, (0.25,) * 3)
    save_checkpoint(path, Checkpoint(shared_model.state_dict(), names, preprocessing))
    return path


def test_from_checkpoint_builds_what_was_saved(checkpoint_path, shared_model, images):
    model = ResNet50FineTuned.from_checkpoint(checkpoint_path)
    assert not model.training
    assert model.gradcam_enabled
    assert model.class_names == ("a", "b", "c")
    assert model.preprocessing == Preprocessing(64, (0.5,) * 3, (0.25,) * 3)
    torch.testing.assert_close(model(images), shared_model(images), rtol=0, atol=0.02)
    for name, buffer in shared_model.named_buffers():
        assert torch.equal(buffer, model.get_buffer(name))


def test_weights_may_be_a_path(checkpoint_path, shared_model):
    model = ResNet50FineTuned(3, weights=checkpoint_path)
    assert model.class_names == ("a", "b", "c")
    head = shared_model.resnet50.fc.weight.detach()
    assert torch.equal(model.resnet50.fc.weight, head.half().float())


def test_path_to_nothing_is_refused():
    with pytest.raises(CheckpointError, match="no weights at nonsense"):
        ResNet50FineTuned(weights="nonsense")


def test_weights_of_another_network_are_refused(tmp_path):
    other = Checkpoint({"conv.weight": torch.ones(2, 2)}, ("a", "b"), Preprocessing())
    save_checkpoint(tmp_path / "other", other)
    with pytest.raises(CheckpointError, match="not those of a ResNet50"):
        ResNet50FineTuned(weights=tmp_path / "other")


@pytest.mark.parametrize("name", ["IMAGENET1K_V1", "IMAGENET1K_V2", "DEFAULT"])
def test_imagenet_weights_without_a_network_say_what_to_do(monkeypatch, tmp_path, name):
    def fail(*_args, **_kwargs):
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", fail)
    with pytest.raises(CheckpointError) as caught:
        ResNet50FineTuned(weights=name)
    for remedy in ("connect to the network", "resnet50-", str(tmp_path), "weights='bundled'"):
        assert remedy in str(caught.value)


def test_imagenet_weights_bring_the_features_and_leave_the_head(monkeypatch, tmp_path):
    # A file that stands in torchvision's cache is used as it is.
    imagenet = torchvision.models.resnet50().state_dict()
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(imagenet, cache / "resnet50-0676ba61.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    model = ResNet50FineTuned(4, weights="IMAGENET1K_V1")
    state = dict(model.resnet50.state_dict())
    assert state.pop("fc.weight").shape == (4, 2048)
    del state["fc.bias"]
    assert_same_tensors(state, {name: imagenet[name] for name in state})
    assert model.preprocessing == Preprocessing()


@pytest.mark.parametrize("path", example_files(), ids=lambda path: path.stem)
def test_the_examples_are_what_they_are_called(path, bundled):
    explanation = explain(bundled, read_radiograph(path))
    assert explanation.verdict == ("likely" if "pneumonia" in path.stem else "unlikely")
    assert explanation.is_familiar
