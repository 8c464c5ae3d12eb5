"""Networks of other people: several outputs, compiled, and those that cannot be explained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cxr_gradcam import CAM
from cxr_gradcam.models.preprocessing import Preprocessing

SMALL = Preprocessing(16)


class Small(nn.Module):
    """A convolution and a linear head; `wrap` makes the output of features and logits."""

    def __init__(self, wrap: Callable[[Tensor, Tensor], Any] = lambda _, logits: logits) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU())
        self.fc = nn.Linear(8, 2)
        self.wrap = wrap

    def forward(self, x: Tensor) -> Any:
        places = self.features(x)
        features = places.mean(dim=(2, 3))
        return self.wrap(features, self.fc(features))


OUTPUTS: dict[str, tuple[Callable[[Tensor, Tensor], Any], dict[str, Any]]] = {
    "features first, names": (lambda f, y: (f, y), {"class_names": ["a", "b"]}),
    "features first, index": (lambda f, y: (f, y), {"output": 1}),
    "a key": (lambda f, y: {"features": f, "scores": y}, {"output": "scores"}),
    "a key, names": (lambda f, y: {"features": f, "scores": y}, {"class_names": ["a", "b"]}),
    "logits by name": (lambda f, y: {"features": f, "logits": y}, {}),
    "nested": (lambda f, y: (f, {"head": [y, f]}), {"output": "1.head.0"}),
    "logits in a tuple": (lambda f, y: (f, {"logits": y}), {}),
    "a loss beside": (lambda f, y: (y, f.sum()), {}),
    "the batch's size beside": (lambda _, y: (y, torch.zeros(1)), {}),
}


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_scores_among_several_tensors_are_found(name: str, x: Tensor) -> None:
    wrap, options = OUTPUTS[name]
    logits, heatmaps = CAM(Small(wrap), preprocessing=SMALL, **options)(x, 1)
    expected = CAM(Small(), preprocessing=SMALL)(x, 1)
    torch.testing.assert_close(logits, expected[0])
    torch.testing.assert_close(heatmaps, expected[1])


@pytest.mark.parametrize(
    ("wrap", "advice"),
    [
        (lambda f, y: (f, y), r"0 \(2, 8\), 1 \(2, 2\)\), as output='1'"),
        (lambda f, y: {"f": f, "y": y}, r"f \(2, 8\), y \(2, 2\)\), as output='y'"),
        (lambda _, y: {"scores": y}, "as output='scores'"),
    ],
)
def test_where_several_may_be_the_scores_the_error_says_how_to_name_them(
    wrap: Callable[[Tensor, Tensor], Any], advice: str
) -> None:
    with pytest.raises(ValueError, match=advice):
        CAM(Small(wrap), preprocessing=SMALL)


def test_an_output_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"no 'logits'; .* are: 0, 1"):
        CAM(Small(lambda f, y: (f, y)), preprocessing=SMALL, output="logits")


@pytest.mark.parametrize("part", ["the network", "its features", "in place"])
def test_a_compiled_network_has_the_map_of_the_network(part: str, x: Tensor) -> None:
    expected = CAM(Small(), preprocessing=SMALL)(x, 1)[1]
    network: Any = Small()
    if part == "the network":
        network = torch.compile(network, backend="aot_eager")
    elif part == "its features":
        network.features = torch.compile(network.features, backend="aot_eager")
    else:
        network.compile(backend="aot_eager")
    torch.testing.assert_close(CAM(network, preprocessing=SMALL)(x, 1)[1], expected)
    with torch.no_grad():
        network(x)  # compiled again, and not left without
    assert torch.compiler.is_compiling() is False


class Inferring(Small):
    @torch.inference_mode()
    def forward(self, x: Tensor) -> Any:
        return super().forward(x)


class Detaching(Small):
    def forward(self, x: Tensor) -> Any:
        return self.fc(self.features(x).detach().mean(dim=(2, 3)))


class Checkpointing(Small):
    def forward(self, x: Tensor) -> Any:
        places = checkpoint(self.features, x, use_reentrant=True)
        return self.fc(checkpoint(lambda each: each.mean(dim=(2, 3)), places, use_reentrant=True))


class WithAge(Small):
    def forward(self, x: Tensor, age: Tensor) -> Any:
        return super().forward(x) + age


def quantized() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(Small().eval(), {nn.Linear}, dtype=torch.qint8)


def statically_quantized() -> nn.Module:
    network = nn.Sequential(torch.ao.nn.quantized.Conv2d(3, 4, 3), nn.Flatten())
    return network.eval()


REFUSED = {
    "inference mode": (Inferring, "inference_mode.*remove it from forward"),
    "detached": (Detaching, "detach"),
    "reentrant checkpoints": (Checkpointing, "use_reentrant=False"),
    "two inputs": (WithAge, "'age'.*wrap it in a module"),
    "dynamically quantised": (quantized, "quantised.*floating-point"),
    "statically quantised": (statically_quantized, "quantised.*floating-point"),
    "no values": (lambda: Small().to("meta"), "meta device.*assign=True"),
    "no module": (lambda: torch.relu, "no torch.nn.Module"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_explained_is_named_in_a_line(name: str, x: Tensor) -> None:
    make, words = REFUSED[name]
    with pytest.raises(ValueError, match=words) as refused:
        CAM(make(), preprocessing=SMALL)(x, 1)
    assert len(str(refused.value).splitlines()) == 1


class Windows(nn.Module):
    """Attention's tokens by tokens, a table of biases and windows, behind tokens that merge."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.merged = nn.Linear(32, 8)
        self.windows, self.biases, self.matrix = nn.Identity(), nn.Identity(), nn.Identity()
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        places = self.patches(x)  # 8 x 8
        merged = nn.functional.pixel_unshuffle(places, 2).flatten(2).transpose(1, 2)
        tokens = self.merged(merged)  # 16 of 4 x 4
        self.windows(places.unflatten(3, (2, 4)).transpose(0, 3).flatten(0, 1))
        self.biases(torch.ones(len(x), 3, 16, 16))
        weights = self.matrix((tokens @ tokens.transpose(1, 2))[:, None].softmax(dim=3))
        return self.head((weights[:, 0] @ tokens).mean(dim=1))


def test_windows_biases_and_attention_are_not_taken_for_places() -> None:
    cam = CAM(Windows(), preprocessing=Preprocessing(32))
    assert list(cam.target_layers) == ["merged"]
    maps = cam(torch.randn(3, 3, 32, 32), 1, "elementwise")[1]
    assert maps.shape == (3, 32, 32)
    assert not torch.equal(maps[0], maps[1])


def test_a_layer_of_windows_is_refused() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 8, 8), Windowing(), nn.Flatten(1), nn.Linear(64, 2))
    cam = CAM(network, "1.windows", preprocessing=Preprocessing(32))
    with pytest.raises(ValueError, match="no row for each of the 2 images"):
        cam(torch.randn(2, 3, 32, 32), 1)


class Windowing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.windows = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.windows(x.reshape(-1, 4, 2, 2)).reshape(len(x), -1)
