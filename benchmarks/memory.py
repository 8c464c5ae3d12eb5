"""The peak memory of a process that makes Grad-CAM maps, each contender in a process of its own."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys

from rich.console import Console
from rich.table import Table

from benchmarks.maps import BARE, bare_forward, contenders, setting

CALLS = 3


def main() -> None:
    """Measure and print the table; or, asked for one contender, print its peak."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--batch", type=int, default=16, help="images per call")
    parser.add_argument("--contender", help="measure this one, in this process")
    options = parser.parse_args()
    if options.contender:
        print(_peak(options.contender, options.batch))
    else:
        run(options.batch)


def run(batch: int) -> None:
    """Start a process for each contender and print what it needed."""
    names = [BARE, *contenders(*setting(1))]
    peaks = {name: _measure(name, batch) for name in names}
    table = Table("contender", "peak MB", "above bare", title=f"Peak memory, batch {batch}")
    for name, peak in peaks.items():
        table.add_row(name, f"{peak:.0f}", f"{peak - peaks[BARE]:+.0f}")
    Console(highlight=False).print(table)


def _measure(name: str, batch: int) -> float:
    words = ["-m", "benchmarks.memory", "--contender", name, "--batch", str(batch)]
    output = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, *words], check=True, capture_output=True, text=True
    )
    return float(output.stdout)


def _peak(name: str, batch: int) -> float:
    model, x = setting(batch)
    work = bare_forward(model, x) if name == BARE else contenders(model, x)[name]().run
    for _ in range(CALLS):
        work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
