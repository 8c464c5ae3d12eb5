"""A long life: many images through one session, then many sessions opened and left.

python -m tests.campaigns.long_life --images 2000 --sessions 200 --seed 0
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.looking import write_film
from cxr_gradcam.imaging.reading import read_for_viewing
from tests.campaigns.memory import proportional
from tests.campaigns.visitor import Page, Visitor
from tests.helpers.running_app import ROOT, fetch, running_app

OPEN_SESSIONS = 100  # as many as the page keeps (`state_session_capacity`)
MAY_GROW = 60  # MB, from a quarter of the images on
MAY_COST = 8  # MB of each open session
_SIZES = ((640, 512), (1024, 840), (2500, 2048))  # rows and columns, of 12 bits
_LARGE = 2_000_000  # pixels; one image of ten may be as large
_LOOKS = 50  # at the memory, while the images come


@dataclass
class Life:
    """What came of it.

    Attributes:
        memory: MB, at the start and after each share of the images.
        sessions: MB before the sessions, and after each quarter of a hundred.
        faults: what went wrong.
    """

    memory: list[int] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """MB by which the last quarter of the images lies above the second one."""
        quarter = max(1, len(self.memory) // 4)
        second, last = self.memory[quarter : 2 * quarter], self.memory[-quarter:]
        return round(float(np.median(last) - np.median(second)))

    @property
    def session_cost(self) -> float:
        """MB of each session that is kept."""
        return (max(self.sessions) - self.sessions[0]) / OPEN_SESSIONS


@dataclass(frozen=True, eq=False)
class Film:
    """A file, and the values that a visitor must see."""

    data: bytes
    stored: NDArray[Any]


def make_films(folder: Path) -> list[Film]:
    """Draw DICOM films of several sizes."""
    films = []
    for seed in range(8):
        path = folder / f"{seed}.dcm"
        write_film(path, *_SIZES[seed % len(_SIZES)], bits=12, seed=seed)
        films.append(Film(path.read_bytes(), read_for_viewing(path)[1].values))
    return films


async def look_at(visitor: Visitor, film: Film, life: Life) -> None:
    """Open a film, and look at what comes."""
    stored, heatmap = await visitor.open(film.data)
    if not np.array_equal(stored, film.stored) or heatmap.shape != stored.shape:
        life.faults.append("another picture, or its map")


async def one_session(page: Page, process: int, films: list[Film], count: int, life: Life) -> None:
    """Send many images through one session."""
    visitor, rng = Visitor(page), random.Random(0)
    every = max(1, count // _LOOKS)
    small = [film for film in films if film.stored.size < _LARGE]
    for number in range(count):
        if number % every == 0:
            life.memory.append(proportional(process))
        await look_at(visitor, rng.choice(films if number % 10 == 0 else small), life)
    life.memory.append(proportional(process))


async def many_sessions(page: Page, process: int, film: Film, count: int, life: Life) -> None:
    """Open many sessions of a large film, and leave each."""
    life.sessions.append(proportional(process))
    for number in range(count):
        visitor = Visitor(page)
        heartbeat = page.client.stream("GET", f"/gradio_api/heartbeat/{visitor.session}")
        async with heartbeat:  # as a browser has it, until it leaves
            await look_at(visitor, film, life)
        if (number + 1) % (OPEN_SESSIONS // 4) == 0 or number + 1 == count:
            life.sessions.append(proportional(process))


async def live(address: str, process: int, films: list[Film], images: int, sessions: int) -> Life:
    """Send the images and open the sessions."""
    life = Life()
    async with httpx.AsyncClient(base_url=address, timeout=600) as client:
        page = await Page.of(client)
        for film in films[: len(_SIZES)]:  # warm
            await look_at(Visitor(page), film, life)
        await one_session(page, process, films, images, life)
        await many_sessions(page, process, films[2], sessions, life)
    return life


def main() -> int:
    """Live; the status is 1 if memory grew or anything went wrong."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", type=int, default=2000)
    options.add_argument("--sessions", type=int, default=2 * OPEN_SESSIONS)
    chosen = options.parse_args()
    with TemporaryDirectory() as folder, running_app(ROOT, {"GRADIO_TEMP_DIR": folder}) as app:
        fetch(app.address)
        with TemporaryDirectory() as drawn:
            films = make_films(Path(drawn))
        life = asyncio.run(live(app.address, app.process, films, chosen.images, chosen.sessions))
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
    figures = {
        "images": chosen.images,
        "MB, ten looks at it": life.memory[:: max(1, len(life.memory) // 10)],
        "MB grown": life.growth,
        "sessions": chosen.sessions,
        "MB before them, and after each 25": life.sessions,
        "MB a session": round(life.session_cost, 1),
        "files left": len(files),
    }
    print(json.dumps(figures))
    life.faults += ["memory grew"] if life.growth > MAY_GROW else []
    life.faults += ["sessions cost too much"] if life.session_cost > MAY_COST else []
    life.faults += [f"{len(files)} files are left"] if files else []
    print(*life.faults, sep="\n", file=sys.stderr)
    return int(bool(life.faults))


if __name__ == "__main__":
    raise SystemExit(main())
