"""Checkpoint files in the forms in which people share them: read exactly, or refused in a line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from cxr_gradcam import CheckpointError, load_model

SIZE = 64
"""Side of the images; large enough for every network here."""


def network(name: str = "resnet18", **options: Any) -> nn.Module:
    torch.manual_seed(0)
    options = {"num_classes": 3} | options
    return torchvision.models.get_model(name, weights=None, **options).eval()


def with_head(*layers: nn.Module, name: str = "resnet18") -> nn.Module:
    model = network(name)
    model.fc = layers[0] if len(layers) == 1 else nn.Sequential(*layers)
    return model.eval()


def for_grey(name: str) -> nn.Module:
    """A network whose first convolution takes one channel."""
    model = network(name)
    stem = model.conv1 if name.startswith("resnet") else model.features.conv0
    stem.weight, stem.in_channels = nn.Parameter(stem.weight.mean(dim=1, keepdim=True)), 1
    return model


def state(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.state_dict())


def prefixed(prefix: str) -> Callable[[nn.Module], dict[str, Tensor]]:
    return lambda model: {f"{prefix}{name}": tensor for name, tensor in state(model).items()}


def under(key: str, make: Callable[[nn.Module], Any] = state) -> Callable[[nn.Module], Any]:
    return lambda model: {"epoch": 3, "best_acc": 0.9, key: make(model), "optimizer": {"lr": 0.1}}


def in_precision(dtype: torch.dtype) -> Callable[[nn.Module], Any]:
    return lambda model: {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in state(model).items()
    }


def head_apart(head: str, prefix: str) -> Callable[[nn.Module], Any]:
    """The trunk behind a prefix, the head beside it, as a module that holds both has them."""
    return lambda model: {
        f"{head}.{name[3:]}" if name.startswith("fc.") else f"{prefix}{name}": tensor
        for name, tensor in state(model).items()
    }


class Sequence(nn.Module):
    """A ResNet's children in a Sequential, and a head of one's own, as tutorials have it."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*list(network().children())[:-1])
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(512, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


def lightning(model: nn.Module) -> Any:
    return {
        "epoch": 7,
        "global_step": 1000,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {**prefixed("model.")(model), "criterion.pos_weight": torch.ones(3)},
        "loops": {},
        "callbacks": {
            "ModelCheckpoint{'monitor': 'val_auc'}": {"best_model_score": torch.ones(())}
        },
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-3}]}],
        "hyper_parameters": {"lr": 1e-3},
    }


def without_counters(model: nn.Module) -> Any:
    return {name: t for name, t in state(model).items() if "num_batches_tracked" not in name}


def with_counters_of_a_profiler(model: nn.Module) -> Any:
    return state(model) | {"total_ops": torch.ones(1), "layer1.total_params": torch.ones(1)}


def averaged(model: nn.Module) -> Any:
    return torch.optim.swa_utils.AveragedModel(model).state_dict()


def of_old_torchvision(model: nn.Module) -> Any:
    return {
        f"module.densenet121.{name}".replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): t
        for name, t in state(model).items()
    }


def with_operating_points(model: nn.Module) -> Any:
    return state(model) | {"op_threshs": torch.full((3,), 0.5)}


DEEP_HEAD = (nn.BatchNorm1d(512), nn.Dropout(), nn.Linear(512, 8), nn.ReLU(), nn.Dropout(),
             nn.Linear(8, 4))  # fmt: skip

# By the name of the file: the network that wrote it, what it wrote, what must be said to read it
READ: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], Any], dict[str, Any]]] = {
    "bare.pth": (network, state, {}),
    "state_dict.pth.tar": (network, under("state_dict"), {}),
    "model_state_dict.pt": (network, under("model_state_dict"), {}),
    "model.pt": (network, under("model"), {}),
    "net.pt": (network, under("net"), {}),
    "ema.pt": (network, under("ema"), {}),
    "state_dict_ema.pth": (network, under("state_dict_ema"), {}),
    "nested.pt": (network, under("state_dict", under("model")), {}),
    "module.pth": (network, prefixed("module."), {}),
    "model-prefix.pth": (network, prefixed("model."), {}),
    "backbone.pth": (network, prefixed("backbone."), {}),
    "encoder.pth": (network, prefixed("encoder."), {}),
    "resnet18-prefix.pth": (network, prefixed("resnet18."), {}),
    "compiled.pth": (network, prefixed("_orig_mod."), {}),
    "compiled-parallel.pth": (network, prefixed("_orig_mod.module.model."), {}),
    "parallel-in-state_dict.pth.tar": (network, under("state_dict", prefixed("module.")), {}),
    "head-beside.pth": (network, head_apart("fc", "backbone."), {}),
    "head-renamed.pth": (network, head_apart("head", "encoder."), {}),
    "classifier-renamed.pth": (network, head_apart("classifier", "module.encoder."), {}),
    "lightning.ckpt": (network, lightning, {}),
    "averaged.pt": (network, averaged, {}),
    "no-counters.pth": (network, without_counters, {}),
    "profiled.pth": (network, with_counters_of_a_profiler, {}),
    "half.pth": (lambda: network().half().float(), in_precision(torch.float16), {}),
    "bfloat16.pth": (lambda: network().bfloat16().float(), in_precision(torch.bfloat16), {}),
    "double.pth": (network, in_precision(torch.float64), {}),
    "others.safetensors": (network, prefixed("model."), {}),
    "dropout-linear.pth": (lambda: with_head(nn.Dropout(), nn.Linear(512, 4)), state, {}),
    "deep-head.pth": (lambda: with_head(*DEEP_HEAD), state, {}),
    "no-bias.pth": (lambda: with_head(nn.Linear(512, 4, bias=False)), state, {}),
    "sequence.pth": (lambda: Sequence().eval(), under("state_dict", prefixed("module.")), {}),
    "one-logit.pth": (lambda: with_head(nn.Linear(512, 1)), state, {}),
    "grey-resnet.pth": (lambda: for_grey("resnet18"), prefixed("model."), {}),
    "grey-densenet.pth": (lambda: for_grey("densenet121"), with_operating_points, {}),
    "resnet50.pth": (lambda: network("resnet50"), prefixed("resnet50."), {}),
    "resnext.pth": (lambda: network("resnext50_32x4d"), state, {}),
    "densenet.pth": (lambda: network("densenet121"), prefixed("module."), {}),
    "old-densenet.pth.tar": (lambda: network("densenet121"), of_old_torchvision, {}),
    "efficientnet.pth": (lambda: network("efficientnet_b0"), state, {}),
    "mobilenet.pth": (lambda: network("mobilenet_v3_small"), state, {}),
    "convnext.pth": (lambda: network("convnext_tiny"), prefixed("backbone."), {}),
    "vgg.pth": (lambda: network("vgg11"), state, {}),
    "vit.pth": (lambda: network("vit_b_16", image_size=SIZE), prefixed("module."), {}),
    "swin.pth": (lambda: network("swin_t"), prefixed("encoder."), {}),
    "shufflenet.pth": (lambda: network("shufflenet_v2_x0_5"), state, {}),
    "regnet.pth": (
        lambda: network("regnet_y_400mf"), state, {"architecture": "regnet_y_400mf"}
    ),
    "timm.pth": (
        lambda: timm.create_model("resnet10t", num_classes=3).eval(),
        under("state_dict"),
        {"architecture": "timm:resnet10t"},
    ),
}  # fmt: skip
LARGE = ("vgg.pth", "vit.pth", "resnet50.pth", "resnext.pth", "convnext.pth", "swin.pth")
"""Files of more than 90 MB."""


def write(path: Path, content: Any) -> Path:
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "form",
    [pytest.param(form, marks=pytest.mark.slow) if form in LARGE else form for form in READ],
)
def test_a_file_gives_the_logits_of_the_network_that_wrote_it(form: str, tmp_path: Path) -> None:
    make, content, said = READ[form]
    wrote = make()
    path = write(tmp_path / form, content(wrote))

    loaded = load_model(path, input_size=SIZE, fast=False, **said)

    channels = len(loaded.preprocessing.mean)
    x = torch.randn(2, channels, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits, expected = loaded.record(x).logits, wrote(x)
    torch.testing.assert_close(logits, expected)
    assert loaded.multi_label == (expected.shape[1] == 1)


@pytest.mark.slow
def test_a_vision_transformers_map_has_its_places(tmp_path: Path) -> None:
    wrote = network("vit_b_16", image_size=SIZE)
    path = write(tmp_path / "vit.pth", state(wrote))
    loaded = load_model(path)
    assert loaded.preprocessing.size == SIZE
    assert not any("pixels assumed" in each for each in loaded.assumptions)
    raw = loaded.record(torch.randn(1, 3, SIZE, SIZE)).maps(0, "gradcam")[0]
    assert raw.shape == (1, SIZE, SIZE)


def test_an_activation_between_linear_layers_is_assumed_and_named(tmp_path: Path) -> None:
    path = write(tmp_path / "head.pth", state(with_head(*DEEP_HEAD)))
    assert any("ReLU assumed" in each for each in load_model(path, input_size=SIZE).assumptions)


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


def without(name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in state(network()).items() if key != name}


def cut(path: Path) -> None:
    """A download that ended half-way."""
    torch.save(state(network()), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of(content: Callable[[], Any]) -> Callable[[Path], None]:
    return lambda path: torch.save(content(), path)


HEAD_OF_OTHERS = {**state(network()), "fc.0.ln.weight": torch.ones(3)}
del HEAD_OF_OTHERS["fc.weight"], HEAD_OF_OTHERS["fc.bias"]

# What is wrong: what writes the file, and the words that the line must have
REFUSED: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "a pickled model": (
        of(network),
        ("Python objects", "not read", "torch.save(model.state_dict("),
    ),
    "a pickle that runs": (of(Malicious), ("not read",)),
    "one among weights": (
        of(lambda: {"state_dict": state(network()), "x": Malicious()}),
        ("not read",),
    ),
    "a tensor missing": (
        of(lambda: without("layer1.0.conv1.weight")),
        ("101 tensors", "closest is resnet18", "1 missing: layer1.0.conv1.weight (64, 64, 3, 3)"),
    ),
    "a tensor too many": (
        of(lambda: state(network()) | {"more.weight": torch.ones(2, 5)}),
        ("closest is resnet18", "1 unknown: more.weight (2, 5)"),
    ),
    "another shape": (
        of(lambda: state(network()) | {"layer4.1.conv2.weight": torch.ones(512, 512, 1, 1)}),
        ("1 of another shape: layer4.1.conv2.weight (512, 512, 1, 1)", "name the architecture"),
    ),
    "no head": (
        of(lambda: {k: t for k, t in state(network()).items() if not k.startswith("fc.")}),
        ("closest is resnet18", "no head: its weight would be fc.weight"),
    ),
    "a head too wide": (
        of(lambda: state(network()) | {"fc.weight": torch.ones(3, 7)}),
        ("'fc' of these resnet18 weights", "7 features", "512"),
    ),
    "a head of other layers": (of(lambda: HEAD_OF_OTHERS), ("cannot be rebuilt", "Linear")),
    "a training that diverged": (
        of(lambda: state(network()) | {"fc.bias": torch.tensor([0.0, float("nan"), 1.0])}),
        ("fc.bias of these resnet18 weights is not finite", "earlier checkpoint"),
    ),
    "two networks": (
        of(lambda: {**prefixed("student.")(network()), **prefixed("teacher.")(network())}),
        ("student.conv1.weight (64, 3, 7, 7)", "no network of torchvision"),
    ),
    "no weights": (of(lambda: {"epoch": 3}), ("no weights by name", "epoch")),
    "a list": (of(lambda: [1, 2]), ("no weights by name", "list")),
    "a truncated file": (cut, ("no readable file of torch.save", "fetch it again")),
    "an empty file": (lambda path: path.write_bytes(b""), ("readable",)),
    "a page of the web": (
        lambda path: path.write_text("<!DOCTYPE html>"),
        ("no readable file of weights", "<!DOCTYPE"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_a_line_and_nothing_in_it_runs(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, words = REFUSED[case]
    make(Path("model.pth"))

    with pytest.raises(CheckpointError) as refused:
        load_model("model.pth", input_size=SIZE)

    said = str(refused.value)
    assert len(said.splitlines()) == 1
    assert [word for word in words if word not in said] == [], said
    assert not Path("ran").exists()


def test_a_named_architecture_that_is_another_says_what_differs(tmp_path: Path) -> None:
    path = write(tmp_path / "model.pth", state(network()))
    with pytest.raises(CheckpointError, match="fit not resnet34") as refused:
        load_model(path, architecture="resnet34")
    assert "missing: layer1.2.conv1.weight" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["model.pth", "model.safetensors"])
def test_broken_files_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"readable|not read"):
        load_model(tmp_path / name)


def test_safetensors_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    save_file(state(network()), tmp_path / "model.bin")
    assert load_model(tmp_path / "model.bin", input_size=SIZE).class_names[0] == "class 0"


def test_a_file_of_torch_before_1_6_is_read(tmp_path: Path) -> None:
    torch.save(state(network()), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert load_model(tmp_path / "old.pth", input_size=SIZE).class_names[0] == "class 0"


def test_torchscript_has_no_hooks(tmp_path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "model.pt"))
    with pytest.raises(CheckpointError, match="hooks"):
        load_model(tmp_path / "model.pt")
