import os
from pathlib import Path

import pytest
import timm
import torch
import torchvision
import torchxrayvision
from safetensors.torch import save_file
from torch import nn

from cxr_gradcam import CheckpointError, ResNet50FineTuned, load_model
from cxr_gradcam.bundled import bundled_checkpoint

SIZE = 64


def network(name="resnet18", classes=3):
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None, num_classes=classes).eval()


def with_head(*layers):
    model = network()
    model.fc = nn.Sequential(*layers)
    return model.eval()


def prefixed(model, prefix):
    return {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()}


def images(channels=3):
    return torch.randn(2, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def logits(model, x):
    with torch.no_grad():
        return (model.model if hasattr(model, "model") else model)(x)


def mixed(model):
    return {
        name if name.startswith("fc.") else f"backbone.{name}": tensor
        for name, tensor in model.state_dict().items()
    }


def renamed_head(model, head):
    return {
        name.replace("fc.", f"{head}.") if name.startswith("fc.") else f"encoder.{name}": tensor
        for name, tensor in model.state_dict().items()
    }


def old_densenet(model):
    return {
        f"module.densenet121.{name}".replace("norm1.", "norm.1.").replace(
            "conv2.", "conv.2."
        ): tensor
        for name, tensor in model.state_dict().items()
    }


FORMS = {
    "bare.pth": lambda m: m.state_dict(),
    "state_dict.pth.tar": lambda m: {"state_dict": m.state_dict(), "epoch": 3},
    "model_state_dict.pt": lambda m: {"model_state_dict": m.state_dict(), "loss": 0.1},
    "model.pt": lambda m: {"model": m.state_dict()},
    "net.pt": lambda m: {"net": m.state_dict()},
    "ema.pt": lambda m: {"ema": m.state_dict()},
    "nested.pt": lambda m: {"state_dict": {"model": m.state_dict()}},
    "module.pth": lambda m: prefixed(m, "module."),
    "model-prefix.pth": lambda m: prefixed(m, "model."),
    "backbone.pth": lambda m: prefixed(m, "backbone."),
    "encoder.pth": lambda m: prefixed(m, "encoder."),
    "resnet18.pth": lambda m: prefixed(m, "resnet18."),
    "compiled.pth": lambda m: prefixed(m, "_orig_mod."),
    "compiled-parallel.pth": lambda m: prefixed(m, "_orig_mod.module.model."),
    "mixture.pth": mixed,
    "head.pth": lambda m: renamed_head(m, "head"),
    "classifier.pth": lambda m: renamed_head(m, "classifier"),
    "lightning.ckpt": lambda m: {
        "state_dict": {**prefixed(m, "model."), "criterion.weight": torch.ones(3)},
        "pytorch-lightning_version": "2.0.0",
        "hyper_parameters": {"lr": 1e-3},
    },
    "no-counters.pth": lambda m: {
        name: tensor for name, tensor in m.state_dict().items() if "num_batches" not in name
    },
    "double.pth": lambda m: {name: tensor.double() for name, tensor in m.state_dict().items()},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_file_gives_the_logits_of_the_network_that_wrote_it(form, tmp_path):
    model = network()
    torch.save(FORMS[form](model), tmp_path / form)

    loaded = load_model(tmp_path / form, input_size=SIZE)

    torch.testing.assert_close(logits(loaded, images()), logits(model, images()))


def test_half_precision_is_read_as_float32(tmp_path):
    model = network().half()
    torch.save(model.state_dict(), tmp_path / "half.pth")

    loaded = load_model(tmp_path / "half.pth", input_size=SIZE)

    torch.testing.assert_close(logits(loaded, images()), logits(model.float(), images()))


HEADS = {
    "dropout and linear": (nn.Dropout(), nn.Linear(512, 4)),
    "two linear": (nn.Linear(512, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 4)),
    "batch norm": (nn.BatchNorm1d(512), nn.Dropout(), nn.Linear(512, 8), nn.ReLU(),
                   nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 4)),
    "one logit": (nn.Linear(512, 1),),
}  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_a_head_of_several_layers_is_rebuilt(head, tmp_path):
    model = with_head(*HEADS[head])
    torch.save(model.state_dict(), tmp_path / "model.pth")

    loaded = load_model(tmp_path / "model.pth", input_size=SIZE)

    torch.testing.assert_close(logits(loaded, images()), logits(model, images()))
    assert loaded.multi_label == (head == "one logit")
    assert ("ReLU assumed" in " ".join(loaded.assumptions)) == (
        head in ("two linear", "batch norm")
    )


ARCHITECTURES = (
    "densenet121", "efficientnet_b0", "mobilenet_v2", "mobilenet_v3_small", "convnext_tiny",
    "resnext50_32x4d", "wide_resnet50_2", "shufflenet_v2_x0_5", "swin_t",
)  # fmt: skip


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_architecture_is_told_from_names_and_shapes(name, tmp_path):
    model = network(name)
    torch.save(prefixed(model, "module."), tmp_path / "model.pth")

    loaded = load_model(tmp_path / "model.pth", input_size=SIZE)

    torch.testing.assert_close(logits(loaded, images()), logits(model, images()))


def test_old_names_of_a_densenet_are_known(tmp_path):
    model = network("densenet121")
    torch.save(old_densenet(model), tmp_path / "model.pth.tar")

    loaded = load_model(tmp_path / "model.pth.tar", input_size=SIZE)

    torch.testing.assert_close(logits(loaded, images()), logits(model, images()))


def test_a_resnet50_gets_the_fast_class(tmp_path):
    model = network("resnet50", classes=2)
    save_file(model.state_dict(), tmp_path / "model.safetensors")

    loaded = load_model(tmp_path / "model.safetensors", class_names=("no", "yes"), input_size=SIZE)

    assert isinstance(loaded, ResNet50FineTuned)
    assert loaded.class_names == ("no", "yes")
    torch.testing.assert_close(logits(loaded, images()), logits(model, images()))


def test_our_own_file_keeps_its_header():
    loaded = load_model(bundled_checkpoint())

    assert loaded.class_names == ResNet50FineTuned.from_checkpoint().class_names
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


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def without_one(model):
    state = model.state_dict()
    del state["layer1.0.conv1.weight"]
    return state


def student_and_teacher(model):
    return {**prefixed(model, "student."), **prefixed(model, "teacher.")}


REFUSED = {
    "pickled": (lambda m: m, "state_dict"),
    "malicious": (lambda _: Malicious(), "not read"),
    "malicious inside": (lambda m: {"state_dict": m.state_dict(), "x": Malicious()}, "not read"),
    "tensor missing": (without_one, "architecture"),
    "tensor too many": (lambda m: {**m.state_dict(), "more.weight": torch.ones(2)}, "architecture"),
    "two networks": (student_and_teacher, "architecture"),
    "no weights": (lambda _: {"epoch": 3}, "epoch"),
    "a list": (lambda _: [1, 2], "list"),
    "head too wide": (lambda _: {**network().state_dict(), "fc.weight": torch.ones(3, 7)}, "512"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_and_nothing_in_it_runs(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, said = REFUSED[case]
    torch.save(make(network()), "model.pth")

    with pytest.raises(CheckpointError, match=said):
        load_model("model.pth", input_size=SIZE)

    assert not Path("ran").exists()


def test_torchscript_has_no_hooks(tmp_path):
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "model.pt"))

    with pytest.raises(CheckpointError, match="hooks"):
        load_model(tmp_path / "model.pt")


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
def test_broken_files_are_refused(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(CheckpointError, match=r"readable|not read"):
        load_model(tmp_path / name)


def test_a_missing_file_is_named():
    with pytest.raises(CheckpointError, match="nowhere"):
        load_model("nowhere.pth")


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
        "cxr_gradcam.models.importing.libraries.get_model", lambda name, **_: network(name, 1000)
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
