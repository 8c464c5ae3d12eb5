"""How far the fast trunk's answers are from full precision, over folders of radiographs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from cxr_gradcam.cam.forward_pass import ForwardPass
from cxr_gradcam.cam.methods import METHODS, QUICK_METHODS
from cxr_gradcam.data.folders import list_source
from cxr_gradcam.imaging.reading import read_named
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

BATCH_SIZE = 16


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder with one per class")
    options = parser.parse_args()
    fast, exact = (ResNet50FineTuned.from_checkpoint(fast=value) for value in (True, False))
    shares, flips = [], 0
    alike: dict[str, list[Tensor]] = {name: [] for name in QUICK_METHODS}
    for x in _batches(fast, options.data):
        forward_pass, reference = fast.record(x), exact.record(x)
        shares.append(
            (forward_pass.logits.softmax(1) - reference.logits.softmax(1)).abs().amax(dim=1)
        )
        flips += int((forward_pass.logits.argmax(1) != reference.logits.argmax(1)).sum())
        for name in QUICK_METHODS:
            for class_idx in range(len(fast.class_names)):
                alike[name].append(_correlations(forward_pass, reference, class_idx, name))
    _print(torch.cat(shares), flips, {name: torch.cat(each) for name, each in alike.items()})


def _batches(model: ResNet50FineTuned, data: Path) -> Iterator[Tensor]:
    paths = [file.path for file in list_source(data)]
    starts = range(0, len(paths), BATCH_SIZE)
    for start in track(starts, "Comparing", console=Console(stderr=True)):
        radiographs = [read_named(str(path)) for path in paths[start : start + BATCH_SIZE]]
        yield torch.cat([model.preprocessing.prepare(each) for each in radiographs])


def _correlations(
    forward_pass: ForwardPass, reference: ForwardPass, class_idx: int, method: str
) -> Tensor:
    """Correlate each image's maps; maps that are both empty are the same."""
    first, second = (
        each.maps(class_idx, method)[0].flatten(1) for each in (forward_pass, reference)
    )
    both_empty = (first.amax(dim=1) == 0) & (second.amax(dim=1) == 0)
    pairs = zip(first, second, strict=True)
    correlations = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in pairs])
    return correlations.where(~both_empty, 1).nan_to_num(0)


def _print(shares: Tensor, flips: int, alike: dict[str, Tensor]) -> None:
    table = Table("maps, both classes", "median", "1st percentile", "lowest", "below 0.999")
    for name, values in alike.items():
        figures = np.percentile(values, [50, 1, 0])
        below = f"{(values < 0.999).sum()} of {len(values)}"
        table.add_row(METHODS[name].label, *(f"{figure:.5f}" for figure in figures), below)
    console = Console(highlight=False)
    console.print(table, f"{len(shares)} images. Probabilities differ by at most", soft_wrap=True)
    console.print(f"{shares.max():.4f} (median {shares.median():.4f}); {flips} predictions change.")


if __name__ == "__main__":
    main()
