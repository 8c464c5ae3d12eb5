"""What another question about a seen image costs: another class, another method, finer detail."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.maps import BARE, CLASS_IDX, bare_forward, setting
from benchmarks.timing import interleave, median_ratio, milliseconds
from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.methods import METHODS, QUICK_METHODS
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.models.stages import DETAIL


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.questions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="measured calls of each question")
    run(parser.parse_args().rounds)


def run(rounds: int) -> None:
    """Measure and print, as the fast trunk and as the network alone leave an image."""
    model, x = setting(1)
    model.enable_gradcam_mode()
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


def look(model: ResNet50FineTuned, x: torch.Tensor) -> ForwardPass:
    """Look at an image at every layer that a map may be asked of."""
    return model.record(x, DETAIL["finest"])


def _questions(forward_pass: ForwardPass, where: str) -> dict[str, Callable[[], object]]:
    ask = partial(forward_pass.maps, CLASS_IDX)
    coarse: dict[str, Callable[[], object]] = {
        f"{METHODS[name].label}{where}": partial(ask, name, layers=DETAIL["coarse"])
        for name in QUICK_METHODS
    }
    finer: dict[str, Callable[[], object]] = {
        f"Grad-CAM, {detail}{where}": partial(ask, layers=DETAIL[detail])
        for detail in ("fine", "finest")
    }
    if not where:
        finer["Ablation-CAM"] = partial(ask, "ablationcam", layers=DETAIL["coarse"])
    return coarse | finer


if __name__ == "__main__":
    main()
