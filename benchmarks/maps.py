"""What a map costs: all contenders on one network, input, layer and class.

Two ways to use a peer are measured: on torchvision's network as it is built, where every
parameter asks for a gradient, as the peers' examples show; and with the target layer alone asking
for one, which spares the trunk its graph but has to be known and done by hand.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchvision.models import ResNet

from benchmarks.peers import PEERS, GradCAMWork
from benchmarks.timing import device_name, interleave, median_ratio, milliseconds
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.synthetic.chest import draw_phantom

CLASS_IDX, SIZE = 1, 224
BARE, OURS = "bare forward, no_grad", "cxr-gradcam"
FULL_PRECISION = f"{OURS}, full precision"
LAYER_ALONE = ", layer alone"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.maps", description=__doc__)
    parser.add_argument("--batch", type=int, default=1, help="images per call")
    parser.add_argument("--rounds", type=int, default=20, help="measured calls per contender")
    options = parser.parse_args()
    run(options.batch, options.rounds)


def run(batch: int, rounds: int, device: torch.device | None = None) -> None:
    """Measure and print one batch size; on the CPU unless a device is named."""
    device = device or torch.device("cpu")
    model, x = setting(batch, device)
    works = {name: build() for name, build in contenders(model, x).items()}
    apart = differences(works)
    measures = {BARE: partial(milliseconds, bare_forward(model, x))}
    measures |= {name: partial(milliseconds, work.run) for name, work in works.items()}
    table = _table(interleave(measures, rounds), apart)
    table.title = f"Prediction and Grad-CAM, batch {batch}, {SIZE} x {SIZE}"
    console = Console(highlight=False)
    console.print(table)
    console.print(_circumstances(rounds, device), soft_wrap=True, markup=False)


def setting(batch: int, device: torch.device | None = None) -> tuple[ResNet50FineTuned, Tensor]:
    """Give the bundled model, and a batch of synthetic chests that it calls pneumonia.

    The map of the class that it does not choose is sometimes weak, and is then made twice by us.
    """
    model = ResNet50FineTuned.from_checkpoint(enable_gradcam=False)
    chosen: list[Tensor] = []
    for seed in count():
        phantom = draw_phantom(seed, size=SIZE, opacity=True)
        x = model.preprocessing.prepare(Radiograph(phantom.pixels))
        with torch.no_grad():
            called = int(model(x).argmax())
        if called == CLASS_IDX:
            chosen.append(x)
        if len(chosen) == batch:
            break
    device = device or torch.device("cpu")
    return model.to(device), torch.cat(chosen).to(device)


def bare_forward(model: ResNet50FineTuned, x: Tensor) -> Callable[[], Tensor]:
    """Give torchvision's network as it is, predicting without gradients."""
    return torch.no_grad()(partial(deepcopy(model.resnet50), x))


def contenders(model: ResNet50FineTuned, x: Tensor) -> dict[str, Callable[[], GradCAMWork]]:
    """Give what builds the work of every contender that is installed, by its name.

    Each has its own copy of the network: hooks of one must not run in the calls of another.
    """
    builders = {
        OURS: lambda: _ours(deepcopy(model), x, fast=True),
        FULL_PRECISION: lambda: _ours(deepcopy(model), x, fast=False),
    }
    for label, prepare in (("", _as_built), (LAYER_ALONE, _layer_alone)):
        for package, peer in PEERS.items():
            if _version(package) is not None:
                builders[package + label] = partial(_peer, peer, prepare, model, x)
    return builders


def _peer(
    peer: Callable[[ResNet, Tensor, int], GradCAMWork],
    prepare: Callable[[ResNet], ResNet],
    model: ResNet50FineTuned,
    x: Tensor,
) -> GradCAMWork:
    return peer(prepare(model.resnet50), x, CLASS_IDX)


def differences(works: dict[str, GradCAMWork]) -> dict[str, float]:
    """Give each contender's greatest difference from our maps in full precision, scaled to 1.

    Raises:
        ValueError: a map of ours is empty, and nothing can be compared.
    """
    maps = {name: work.raw_maps().cpu() for name, work in works.items()}
    if not maps[FULL_PRECISION].amax(dim=(1, 2)).all():
        raise ValueError(f"a map is empty for class {CLASS_IDX}: choose other images")
    scaled = {name: raw / raw.amax(dim=(1, 2), keepdim=True) for name, raw in maps.items()}
    return {
        name: float((each - scaled[FULL_PRECISION]).abs().max()) for name, each in scaled.items()
    }


def _ours(model: ResNet50FineTuned, x: Tensor, *, fast: bool) -> GradCAMWork:
    model.enable_gradcam_mode()
    model.fast = fast
    no_grad = torch.no_grad()
    return GradCAMWork(
        no_grad(partial(model, x, return_gradcam=True, gradcam_class_idx=CLASS_IDX)),
        no_grad(lambda: model.gradcam(x, CLASS_IDX)[1]),
    )


def _as_built(network: ResNet) -> ResNet:
    return deepcopy(network).requires_grad_(True)


def _layer_alone(network: ResNet) -> ResNet:
    prepared = deepcopy(network).requires_grad_(False)
    prepared.layer4[-1].conv3.requires_grad_(True)
    return prepared


def _table(times: dict[str, list[float]], apart: dict[str, float]) -> Table:
    table = Table("contender", "median ms", "ratio to bare", "map differs by")
    for name, milliseconds_ in times.items():
        ratio = f"{median_ratio(milliseconds_, times[BARE]):.2f}"
        difference = f"{apart[name]:.0e}" if name in apart and name != FULL_PRECISION else ""
        table.add_row(name, f"{median(milliseconds_):.1f}", ratio, difference)
    for package in PEERS:
        if _version(package) is None:
            table.add_row(package, "not installed")
    return table


def _circumstances(rounds: int, device: torch.device) -> str:
    packages = ("cxr-gradcam", "torch", "torchvision", "openvino", *PEERS)
    versions = [f"{package} {_version(package)}" for package in packages if _version(package)]
    return (
        f"{', '.join(versions)}\n{device_name(device)}, {torch.get_num_threads()} threads; "
        f"{rounds} rounds, contenders in turn; ratio: median of the rounds' ratios.\n"
        "'layer alone': the user made requires_grad False everywhere but at the target layer.\n"
        "'full precision': with `fast` off, torch's own layers; the maps are compared with these.\n"
        "cxr-gradcam, torchcam and grad-cam give the logits too, captum and monai the map alone.\n"
        "Install all contenders: pip install -e '.[bench]'"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
