"""What a machine with a CUDA device has to show, in ten minutes and without a network.

python -m benchmarks.device [--device cuda] [--batches 1 16 64]

The suite's device tests, the maps of every method against those of the CPU, an epoch of training,
and the benchmark with the peers that are installed. Everything it reads is in the repository.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchvision.models import resnet18

from benchmarks import maps
from benchmarks.timing import device_name
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.data.split import Sources
from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.models.any_classifier import CAM
from cxr_gradcam.models.preprocessing import Preprocessing
from cxr_gradcam.synthetic.chest import draw_phantom
from cxr_gradcam.training.recipe import Recipe
from cxr_gradcam.training.trainer import train

ROOT = Path(__file__).parents[1]
MOST_APART = 1e-4
"""How far a map from 0 to 1 may be from the CPU's."""
SIDE, CLASSES = 64, (0, 2)
FEW_FILMS = 32  # of each class


def main() -> int:
    """Run all parts; the status is 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 16, 64))
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    device, console = torch.device(options.device), Console(highlight=False)
    console.print(f"{device_name(device)}, torch {torch.__version__}")
    parts: dict[str, Callable[[], bool]] = {
        "device tests": lambda: passes_tests(device),
        "parity": lambda: is_equal(device, console),
        "training": lambda: trains(console),
    }
    failed = []
    for name, part in parts.items():
        start = perf_counter()
        if not part():
            failed.append(name)
        console.print(f"{name}: {perf_counter() - start:.0f} s")
    for batch in options.batches:
        maps.run(batch, options.rounds, device)
    console.print(f"failed: {', '.join(failed)}" if failed else "nothing failed")
    return int(bool(failed))


def passes_tests(device: torch.device) -> bool:
    """Run the tests that the suite repeats on each device."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    words += ["tests/models/test_resnet50_maps.py", "-k", device.type]
    return subprocess.run(words, cwd=ROOT, check=False).returncode == 0  # noqa: S603 - our own


def is_equal(device: torch.device, console: Console) -> bool:
    """Compare every method's maps with the CPU's, in 64 bits, and print by how much they differ.

    In 32 bits rounding moves an activation across a ReLU's 0 now and then, which no device can
    help; 64 bits show whether the computation is the same.
    """
    table = Table("method", "differs by", title=f"Maps on {device.type} and on the CPU")
    apart = {}
    for method, layer in _methods():
        there, here = (_maps(method, layer, each) for each in (device, torch.device("cpu")))
        apart[method] = float((there.cpu() - here).abs().max())
        table.add_row(METHODS[method].label, f"{apart[method]:.0e}")
    console.print(table)
    return max(apart.values()) <= MOST_APART


def _methods() -> Iterator[tuple[str, str]]:
    """Yield each method and its layer: slow ones ask the network once per channel of 64."""
    for method, how in METHODS.items():
        yield method, "layer1" if how.is_slow else "layer4"


def _maps(method: str, layer: str, device: torch.device) -> Tensor:
    """Return the maps of two images of noise by a network of random weights."""
    torch.manual_seed(0)
    network = resnet18(num_classes=3).double().eval()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(len(CLASSES), 3, SIDE, SIDE, generator=generator, dtype=torch.float64)
    cam = CAM(network.to(device), layer, preprocessing=Preprocessing(SIDE))
    return cam.record(x.to(device)).maps(CLASSES, method)[0]


def trains(console: Console) -> bool:
    """Train the bundled network for an epoch on drawn chests."""
    recipe = Recipe(epochs=1, size=128, start_size=128, batch_size=16, phantoms=64)
    with TemporaryDirectory() as folder:
        for name in ("NORMAL", "PNEUMONIA"):
            _draw(Path(folder) / name, opacity=name == "PNEUMONIA")
        start = perf_counter()
        figures = train(
            Sources([Path(folder)]), Path(folder) / "trained.safetensors", recipe, weights="bundled"
        )
        took = perf_counter() - start
    console.print(f"an epoch of {2 * FEW_FILMS} files and 64 drawn chests: {took:.1f} s, {figures}")
    return True


def _draw(folder: Path, *, opacity: bool) -> None:
    folder.mkdir()
    for seed in range(FEW_FILMS):
        pixels = draw_phantom(2 * seed + opacity, size=128, opacity=opacity).pixels
        Image.fromarray(quantize(pixels)).save(folder / f"{seed:02}.png")


if __name__ == "__main__":
    raise SystemExit(main())
