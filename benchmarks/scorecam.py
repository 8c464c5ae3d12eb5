"""Score-CAM at the last convolution, 2,048 channels, beside torchcam's."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from copy import deepcopy
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.maps import CLASS_IDX, SIZE, setting
from benchmarks.timing import interleave, median_ratio, milliseconds
from cxr_gradcam.cam.maps import upsample
from cxr_gradcam.models.resnet50 import ResNet50FineTuned

OURS, TORCHCAM = "cxr-gradcam", "torchcam"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scorecam", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="each takes minutes")
    run(parser.parse_args().rounds)


def run(rounds: int) -> None:
    """Measure and print."""
    model, x = setting(1)
    model.enable_gradcam_mode()
    maps: dict[str, Tensor] = {}

    def ours() -> None:
        maps[OURS] = model.record(x).maps(CLASS_IDX, "scorecam")[0]

    model.record(x)  # the trunk is built once for all images
    peer = _torchcam(model, x, maps)
    measures = {OURS: lambda: milliseconds(ours), TORCHCAM: lambda: milliseconds(peer)}
    times = interleave(measures, rounds, warm_up=0)
    alike = torch.corrcoef(torch.stack([maps[name].flatten() for name in measures]))[0, 1]
    table = Table("contender", "median s", "torchcam's time / this", title="Score-CAM, batch 1")
    for name, measured in times.items():
        ratio = median_ratio(times[TORCHCAM], measured)
        table.add_row(name, f"{median(measured) / 1000:.1f}", f"{ratio:.2f}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"The maps' correlation is {alike:.5f}.")


def _torchcam(model: ResNet50FineTuned, x: Tensor, maps: dict[str, Tensor]) -> Callable[[], None]:
    from torchcam.methods import ScoreCAM

    network = deepcopy(model.resnet50)
    extractor = ScoreCAM(network, network.layer4[-1].conv3)

    def run() -> None:
        with torch.no_grad():
            logits = network(x)
            maps[TORCHCAM] = upsample(extractor(CLASS_IDX, logits)[0], (SIZE, SIZE))[0]

    return run


if __name__ == "__main__":
    main()
