import json

import httpx
import huggingface_hub
import pytest
import timm
import torch
import torchvision
import torchxrayvision
from huggingface_hub.errors import RemoteEntryNotFoundError
from safetensors.torch import save_file

from cxr_gradcam import CheckpointError, ResNet50FineTuned, load_model
from cxr_gradcam.bundled import bundled_checkpoint

SIZE = 64


def network(name="resnet18", classes=3):
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None, num_classes=classes).eval()


def images(channels=3):
    return torch.randn(2, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def logits(model, x):
    with torch.no_grad():
        return (model.model if hasattr(model, "model") else model)(x)


def test_a_resnet50_gets_the_fast_class(tmp_path):
    model = network("resnet50", classes=2)
    save_file(model.state_dict(), tmp_path / "model.safetensors")

    loaded = load_model(tmp_path / "model.safetensors", class_names=("no", "yes"), input_size=SIZE)

    assert isinstance(loaded, ResNet50FineTuned)
    assert loaded.class_names == ("no", "yes")
    torch.testing.assert_close(logits(loaded, images()), logits(model, images()))


def test_our_own_file_keeps_its_header(bundled):
    loaded = load_model(bundled_checkpoint())

    assert loaded.class_names == bundled.class_names
    assert loaded.assumptions == ()


def test_what_was_assumed_is_named(tmp_path):
    torch.save(network().state_dict(), tmp_path / "model.pth")

    guessed = load_model(tmp_path / "model.pth")
    told = load_model(tmp_path / "model.pth", class_names="abc", input_size=SIZE,
                      mean=(0.5,) * 3, std=(0.2,) * 3, multi_label=True)  # fmt: skip

    assert "ImageNet statistics assumed" in guessed.assumptions
    assert told.assumptions == ()
    assert told.preprocessing.std == (0.2, 0.2, 0.2)


def test_timm_is_named(tmp_path):
    model = timm.create_model("resnet10t", num_classes=3).eval()
    torch.save(model.state_dict(), tmp_path / "model.pth")

    loaded = load_model(tmp_path / "model.pth", architecture="timm:resnet10t", input_size=SIZE)

    torch.testing.assert_close(logits(loaded, images()), logits(model, images()))


def test_efficientnet_lite_of_its_own_package_is_read_as_timm_s(tmp_path):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    model = package.EfficientNet.from_name("efficientnet-lite0").eval()
    torch.save(model.state_dict(), tmp_path / "lite.pth")

    loaded = load_model(tmp_path / "lite.pth", input_size=224)

    x = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(logits(loaded, x), logits(model, x), rtol=1e-3, atol=1e-4)
    assert "timm's statistics assumed" in loaded.assumptions


def test_a_missing_file_is_named():
    with pytest.raises(CheckpointError, match="nowhere"):
        load_model("nowhere.pth")


def test_a_network_in_place_of_a_file_is_named():
    with pytest.raises(CheckpointError, match=r"CAM\(network\)"):
        load_model(network())


def test_a_wrong_number_of_names_is_refused(tmp_path):
    torch.save(network().state_dict(), tmp_path / "model.pth")

    with pytest.raises(CheckpointError, match="2 class names for 3 classes"):
        load_model(tmp_path / "model.pth", class_names=("a", "b"), input_size=SIZE)


def test_libraries_are_asked_by_name(monkeypatch):
    model = timm.create_model("resnet10t", num_classes=3).eval()
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: model)

    loaded = load_model("timm:resnet10t", input_size=SIZE)

    torch.testing.assert_close(logits(loaded, images()), logits(model, images()))


def test_torchvision_by_name(monkeypatch):
    monkeypatch.setattr(
        "cxr_gradcam.models.importing.loading.get_model", lambda name, **_: network(name, 1000)
    )

    loaded = load_model("torchvision:mobilenet_v3_small", input_size=SIZE)

    torch.testing.assert_close(
        logits(loaded, images()), logits(network("mobilenet_v3_small", 1000), images())
    )
    assert loaded.class_names[:2] == ("tench", "goldfish")
    assert loaded.assumptions == ("one class at a time assumed",)


def test_torchxrayvision_keeps_its_findings(monkeypatch):
    model = torchxrayvision.models.DenseNet(num_classes=18).eval()
    model.targets = [f"finding {index}" for index in range(18)]
    monkeypatch.setattr(torchxrayvision.models, "get_model", lambda _: model)

    loaded = load_model("torchxrayvision:densenet121-res224-all")

    assert loaded.class_names == tuple(model.targets)
    assert loaded.multi_label


def test_without_a_network_the_error_says_what_to_do(monkeypatch):
    def fail(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(timm, "create_model", fail)

    with pytest.raises(CheckpointError, match="connect to the network"):
        load_model("timm:resnet10t")


def repository(monkeypatch, folder):
    """Let the hub be a folder: what it has not, is not found."""
    asked = []

    def fetch(name, file):
        asked.append(f"{name}/{file}")
        if not (folder / file).exists():
            raise RemoteEntryNotFoundError(file, response=httpx.Response(404, request=REQUEST))
        return str(folder / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    return asked


REQUEST = httpx.Request("GET", "https://hub")


def test_a_repository_of_timm_names_its_architecture(tmp_path, monkeypatch):
    model = timm.create_model("resnet10t", num_classes=3).eval()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    config = {"architecture": "resnet10t", "num_classes": 3, "pretrained_cfg": {"tag": "c3_in1k"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    repository(monkeypatch, tmp_path)

    loaded = load_model("hf://owner/chest", input_size=SIZE)

    torch.testing.assert_close(logits(loaded, images()), logits(model, images()))
    assert loaded.provenance.architecture == "timm:resnet10t.c3_in1k"
    assert loaded.provenance.name == "chest"


def test_a_repository_may_hold_a_file_of_torch_save(tmp_path, monkeypatch):
    model = network()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    torch.save(model.state_dict(), tmp_path / "best.pth")
    asked = repository(monkeypatch, tmp_path)

    for source in ("hf://owner/chest", "hf://owner/chest/best.pth"):
        loaded = load_model(source, input_size=SIZE)
        torch.testing.assert_close(logits(loaded, images()), logits(model, images()))

    assert asked[:2] == ["owner/chest/model.safetensors", "owner/chest/pytorch_model.bin"]
    assert "owner/chest/best.pth" in asked
    with pytest.raises(CheckpointError, match=r"other\.pth of 'owner/chest' cannot be fetched"):
        load_model("hf://owner/chest/other.pth")
