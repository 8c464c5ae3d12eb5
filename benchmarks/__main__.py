"""All figures of the engine in one run, a quarter of an hour: `python -m benchmarks`."""

from __future__ import annotations

from benchmarks import maps, memory, questions, scorecam

for batch, rounds in ((1, 20), (16, 5)):
    maps.run(batch, rounds)
questions.run(rounds=20)
scorecam.run(rounds=1)
memory.run(batch=16)
