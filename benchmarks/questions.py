"""What another question about a seen image costs: another class, another method, finer detail."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.maps import BARE, SEED, SIZE, bare_forward
from benchmarks.timing import interleave, median_ratio, milliseconds
from cxr_gradcam.methods import METHODS
from cxr_gradcam.resnet50 import DETAIL, ResNet50FineTuned
from cxr_gradcam.seen import Seen


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.questions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="measured calls of each question")
    run(parser.parse_args().rounds)


def run(rounds: int) -> None:
    """Measure and print, as the fast trunk and as the network alone leave an image."""
    torch.manual_seed(SEED)
    model = ResNet50FineTuned(weights=None, enable_gradcam=True).eval()
    x = torch.randn(1, 3, SIZE, SIZE)
    table = Table("", "median ms", "ratio to bare", title="Questions about a seen image, batch 1")
    for fast in (True, False):
        model.fast = fast
        where = "" if fast else ", full precision"
        measures = {
            BARE: partial(milliseconds, bare_forward(model, x)),
            f"first look{where}": partial(milliseconds, partial(look, model, x)),
        }
        for name, ask in _questions(look(model, x), where).items():
            measures[name] = partial(milliseconds, ask)
        times = interleave(measures, rounds)
        for name, measured in times.items():
            ratio = median_ratio(measured, times[BARE])
            table.add_row(name, f"{median(measured):.1f}", f"{ratio:.2f}")
        table.add_section()
    Console(highlight=False).print(table)


def look(model: ResNet50FineTuned, x: torch.Tensor) -> Seen:
    """Look at an image at every layer that a map may be asked of."""
    return model.see(x, DETAIL["finest"])


def _questions(seen: Seen, where: str) -> dict[str, Callable[[], object]]:
    quick = [name for name, method in METHODS.items() if not method.is_slow]
    standard: dict[str, Callable[[], object]] = {
        f"{METHODS[name].label}{where}": partial(seen.maps, 0, name, layers=DETAIL["standard"])
        for name in quick
    }
    finer: dict[str, Callable[[], object]] = {
        f"Grad-CAM, {detail}{where}": partial(seen.maps, 0, layers=DETAIL[detail])
        for detail in ("fine", "finest")
    }
    if not where:
        finer["Ablation-CAM"] = partial(seen.maps, 0, "ablationcam", layers=DETAIL["standard"])
    return standard | finer


if __name__ == "__main__":
    main()
