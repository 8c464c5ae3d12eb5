"""What a map costs: all contenders on one network, input, layer and class.

Two ways to use a peer are measured: on torchvision's network as it is built, where every
parameter asks for a gradient, as the peers' examples show; and with the target layer alone asking
for one, which spares the trunk its graph but has to be known and done by hand.
"""

from __future__ import annotations

import argparse
from copy import deepcopy
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchvision.models import ResNet

from benchmarks.peers import PEERS, GradCAMWork
from benchmarks.timing import interleave, median_ratio, milliseconds, processor
from cxr_gradcam.resnet50 import ResNet50FineTuned

SEED, CLASS_IDX, SIZE = 1, 1, 224
BARE, OURS = "bare forward, no_grad", "cxr-gradcam"
LAYER_ALONE = ", layer alone"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.maps", description=__doc__)
    parser.add_argument("--batch", type=int, default=1, help="images per call")
    parser.add_argument("--rounds", type=int, default=20, help="measured calls per contender")
    options = parser.parse_args()
    torch.manual_seed(SEED)
    model = ResNet50FineTuned(weights=None).eval()
    x = torch.randn(options.batch, 3, SIZE, SIZE)
    works = contenders(model, x)
    apart = differences(works)
    bare = torch.no_grad()(partial(deepcopy(model.resnet50), x))
    measures = {BARE: partial(milliseconds, bare)}
    measures |= {name: partial(milliseconds, work.run) for name, work in works.items()}
    table = _table(interleave(measures, options.rounds), apart)
    table.title = f"Prediction and Grad-CAM, batch {options.batch}, {SIZE} x {SIZE}"
    console = Console(highlight=False)
    console.print(table)
    console.print(_circumstances(options.rounds), soft_wrap=True, markup=False)


def contenders(model: ResNet50FineTuned, x: Tensor) -> dict[str, GradCAMWork]:
    """Give the work of every contender that is installed, by its name.

    Each has its own copy of the network: hooks of one must not run in the calls of another.
    """
    works = {OURS: _ours(deepcopy(model), x)}
    for label, prepare in (("", _as_built), (LAYER_ALONE, _layer_alone)):
        for package, peer in PEERS.items():
            if _version(package) is not None:
                works[package + label] = peer(prepare(model.resnet50), x, CLASS_IDX)
    return works


def differences(works: dict[str, GradCAMWork]) -> dict[str, float]:
    """Give each contender's greatest difference from our raw maps, all scaled to a maximum of 1.

    Raises:
        ValueError: a map of ours is empty, and nothing can be compared.
    """
    maps = {name: work.raw_maps() for name, work in works.items()}
    if not maps[OURS].amax(dim=(1, 2)).all():
        raise ValueError(f"a map is empty for class {CLASS_IDX}: choose another SEED")
    scaled = {name: raw / raw.amax(dim=(1, 2), keepdim=True) for name, raw in maps.items()}
    return {name: float((each - scaled[OURS]).abs().max()) for name, each in scaled.items()}


def _ours(model: ResNet50FineTuned, x: Tensor) -> GradCAMWork:
    model.enable_gradcam_mode()
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
    table = Table("contender", "median ms", "ratio to bare", "raw map differs by")
    for name, milliseconds_ in times.items():
        ratio = f"{median_ratio(milliseconds_, times[BARE]):.2f}"
        difference = f"{apart[name]:.0e}" if name in apart and name != OURS else ""
        table.add_row(name, f"{median(milliseconds_):.1f}", ratio, difference)
    for package in PEERS:
        if _version(package) is None:
            table.add_row(package, "not installed")
    return table


def _circumstances(rounds: int) -> str:
    packages = ("cxr-gradcam", "torch", "torchvision", *PEERS)
    versions = [f"{package} {_version(package)}" for package in packages if _version(package)]
    return (
        f"{', '.join(versions)}\n{processor()}, {torch.get_num_threads()} threads; "
        f"{rounds} rounds, contenders in turn; ratio: median of the rounds' ratios.\n"
        "'layer alone': the user made requires_grad False everywhere but at the target layer.\n"
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
