"""Damage files of every kind and read them: no crash, no hang, bounded memory, no patient's text.

python -m tests.campaigns.hostile_files --count 100000 --seed 0
"""

import argparse
import json
import logging
import multiprocessing
import random
import resource
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from tests.campaigns.mutations import mutate
from tests.campaigns.seeds import PATIENT, seeds

SECONDS, MEBIBYTES = 5, 1536
_ADDRESS_SPACE = 8 * 2**30


@dataclass
class Findings:
    """What the reading of the damaged files came to."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0
    peak: int = 0


def read_one(number: int, seed: int, files: list[tuple[str, bytes]]) -> tuple[str, str]:
    """Return the outcome of one damaged file ("read", "refused" or a fault) and what was said."""
    from cxr_gradcam.imaging.radiograph import RadiographError
    from cxr_gradcam.imaging.reading import read_radiograph

    rng = random.Random(f"{seed}/{number}")
    name, data = files[rng.randrange(len(files))]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            read_radiograph(mutate(data, rng))
            outcome, said = "read", ""
        except RadiographError as error:
            outcome, said = "refused", str(error)
        except BaseException as error:
            return f"raised {type(error).__name__}", f"{name}: {error}"
    said += " ".join(str(warning.message) for warning in caught)
    return ("told of the patient", f"{name}: {said[:300]}") if PATIENT in said else (outcome, name)


def worker(pipe: Connection, seed: int) -> None:
    """Read one damaged file for each number that comes, and answer with the outcome."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    logging.disable()
    files = seeds()
    read_one(0, seed, files)
    pipe.send("ready")
    while (number := pipe.recv()) is not None:
        start = time.monotonic()
        outcome = read_one(number, seed, files)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        pipe.send((*outcome, time.monotonic() - start, peak))


def start_worker(seed: int) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """Return a process that reads damaged files, and the way to it, once it is ready."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=worker, args=(theirs, seed), daemon=True)
    process.start()
    theirs.close()
    ours.recv()
    return process, ours


def campaign(count: int, seed: int, seconds: float) -> Findings:
    """Return what came of `count` damaged files, or of as many as there was time for."""
    found, end = Findings(), time.monotonic() + seconds
    process, pipe = start_worker(seed)
    for number in range(count):
        if time.monotonic() > end:
            break
        pipe.send(number)
        try:
            answer = pipe.recv() if pipe.poll(4 * SECONDS) else None
        except EOFError:
            answer = ("crashed", "the process ended", 0.0, 0)
        if answer is None or answer[0] == "crashed":
            process.kill()
            process, pipe = start_worker(seed)
        outcome, said, took, peak = answer or ("hung", "", float("inf"), 0)
        note(found, f"file {number}", outcome, said, took, peak)
    pipe.send(None)
    process.join()
    return found


def note(found: Findings, file: str, outcome: str, said: str, took: float, peak: int) -> None:
    """Add one file to the findings."""
    found.outcomes[outcome] += 1
    found.slowest, found.peak = max(found.slowest, took), max(found.peak, peak)
    if outcome not in ("read", "refused"):
        found.faults.append(f"{file}: {outcome}: {said}")
    if took > SECONDS:
        found.faults.append(f"{file} took {took:.1f} s: {said}")


def main() -> int:
    """Run the campaign; the status is 1 if anything was found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--seconds", type=float, default=3600, help="the most it may take")
    chosen = options.parse_args()
    found = campaign(chosen.count, chosen.seed, chosen.seconds)
    figures = {
        "files": found.outcomes.total(),
        **found.outcomes,
        "slowest_seconds": round(found.slowest, 2),
        "peak_mebibytes": found.peak,
    }
    print(json.dumps(figures))
    print(*found.faults, sep="\n", file=sys.stderr)
    return int(bool(found.faults) or found.peak > MEBIBYTES)


if __name__ == "__main__":
    raise SystemExit(main())
