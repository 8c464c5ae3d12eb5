"""Timing of several contenders in turn on a machine that may be busy, and its processor."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import torch
from rich.console import Console
from rich.progress import track

WARM_UP = 3
PAUSE = 0.02  # seconds in which the threads of the contender before go to sleep


def milliseconds(work: Callable[[], object]) -> float:
    """Time one call on a processor that has come to rest, until its device has ended too, in ms."""
    sleep(PAUSE)
    start = perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1000 * (perf_counter() - start)


def interleave(
    measures: Mapping[str, Callable[[], float]], rounds: int, warm_up: int = WARM_UP
) -> dict[str, list[float]]:
    """Measure each contender once a round, so that a machine's drift hits all alike.

    Args:
        measures: what measures one call, by the contender's name.
        rounds: how many rounds count; at least 1.
        warm_up: rounds before them that do not.

    Returns:
        The figures of each contender, one per round.
    """
    if rounds < 1:
        raise ValueError(f"{rounds} rounds measure nothing: ask for 1 or more")
    turns = track(range(warm_up + rounds), "Measuring", console=Console(stderr=True))
    played = [{name: measure() for name, measure in measures.items()} for _ in turns]
    return {name: [figures[name] for figures in played[warm_up:]] for name in measures}


def median_ratio(times: Sequence[float], base: Sequence[float]) -> float:
    """Give the median of the ratios of times taken in the same rounds."""
    return median(time / other for time, other in zip(times, base, strict=True))


def device_name(device: torch.device) -> str:
    """Name what computes: a graphics device, or the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor()


def processor() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
