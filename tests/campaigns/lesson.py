"""A lesson: many visitors at once, with own files and with the same one; every map is its own.

python -m tests.campaigns.lesson --visitors 50 --seed 0
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam import ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.imaging.reading import read_for_viewing
from cxr_gradcam.models.stages import DETAIL
from cxr_gradcam.synthetic.chest import draw_phantom
from tests.campaigns.visitor import Page, Visitor
from tests.helpers.running_app import ROOT, fetch, running_app

MEGABYTE = 1024  # of the kB in /proc
MAY_GROW = 200  # MB
MAY_WAIT = 50  # times as long as one visitor alone
_FORGOTTEN = 310.0  # seconds; an upload waits 300 for its event
_STEPS = 2  # of 255: bfloat16 in a batch of another size rounds otherwise


@dataclass(frozen=True, eq=False)
class Film:
    """A file, and what must be seen of it.

    Attributes:
        data: PNG of 16 bits.
        stored: its values.
        maps: of the predicted class, and of each class, in 256 steps.
    """

    data: bytes
    stored: NDArray[Any]
    maps: dict[str | None, NDArray[np.uint8]]


@dataclass
class Lesson:
    """What came of it.

    Attributes:
        opened: seconds from each visitor's upload to the map.
        faults: what went wrong.
        asked: questions that were answered.
        left: visitors who left in the middle.
    """

    opened: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    asked: int = 0
    left: int = 0


def make_film(model: ResNet50FineTuned, seed: int) -> Film:
    """Draw a chest, and let the package itself explain it."""
    grey = draw_phantom(seed, size=640, opacity=seed % 2 == 1).pixels
    data = cv2.imencode(".png", (grey * 65535).astype(np.uint16))[1].tobytes()
    radiograph, maps = read_radiograph(data), {}
    for name in (None, *model.class_names):
        maps[name] = quantize(explain(model, radiograph, name, layers=DETAIL["fine"]).heatmap)
    return Film(data, read_for_viewing(data)[1].values, maps)


async def attend(page: Page, film: Film, lesson: Lesson, rng: random.Random) -> None:
    """Open a film, ask for each class, and compare all that comes with what must be seen."""
    visitor = Visitor(page)
    await asyncio.sleep(rng.random())
    if rng.random() < 0.2:
        await leave(visitor, film, lesson, rng)
        return
    start = time.monotonic()
    stored, heatmap = await visitor.open(film.data)
    lesson.opened.append(time.monotonic() - start)
    compare(lesson, "picture", stored, film.stored, 0)
    compare(lesson, "map", heatmap, film.maps[None], _STEPS)
    for name in ("Normal", "Pneumonia"):
        await asyncio.sleep(rng.random())
        answer = await visitor.ask("change_class", class_name=name)
        lesson.asked += 1
        compare(lesson, f"map of {name}", answer, film.maps[name], _STEPS)


async def leave(visitor: Visitor, film: Film, lesson: Lesson, rng: random.Random) -> None:
    """Upload a film, and go before or while it is answered."""
    lesson.left += 1
    upload = await visitor.upload(film.data)
    if rng.random() < 0.5:
        async for _ in visitor.messages("open_upload", [[upload], None]):
            return


async def ask_slowly(page: Page, film: Film, lesson: Lesson) -> None:
    """Ask for a map that takes many passes; nobody else must wait for it."""
    visitor = Visitor(page)
    await visitor.open(film.data)
    asked = {"class_name": "Pneumonia", "method": "ablationcam", "detail": "coarse"}
    for _ in range(5):
        if await visitor.ask("change_map", **asked) is None:
            lesson.faults.append("no slow map")
        lesson.asked += 1


def compare(
    lesson: Lesson, what: str, seen: NDArray[Any] | None, right: NDArray[Any], steps: int
) -> None:
    """Note what is not as it must be."""
    if seen is None or seen.shape != right.shape:
        lesson.faults.append(f"{what}: another picture's, or none")
    elif (worst := int(np.abs(seen.astype(int) - right).max())) > steps:
        lesson.faults.append(f"{what}: {worst} steps off")


async def hold(
    address: str, films: Sequence[Film], visitors: int, seed: int
) -> tuple[float, Lesson]:
    """Let one visitor come alone, then all at once; return seconds of the one, and the lesson."""
    lesson, rng = Lesson(), random.Random(seed)
    async with httpx.AsyncClient(
        base_url=address, timeout=600, limits=httpx.Limits(max_connections=None)
    ) as client:
        page = await Page.of(client)
        alone = []
        for _ in range(3):
            start = time.monotonic()
            await Visitor(page).open(films[0].data)
            alone.append(time.monotonic() - start)
        # half of them have the same file
        chosen = [
            films[0 if rng.random() < 0.5 else rng.randrange(len(films))] for _ in range(visitors)
        ]
        coming = [
            attend(page, film, lesson, random.Random(f"{seed}/{n}"))
            for n, film in enumerate(chosen)
        ]
        ended = await asyncio.gather(
            *coming, ask_slowly(page, films[0], lesson), return_exceptions=True
        )
        lesson.faults += [
            f"{type(each).__name__}: {each}" for each in ended if isinstance(each, BaseException)
        ]
    return median(alone), lesson


def resident(process: int) -> int:
    """Return the MB that a process takes."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) // MEGABYTE if found else 0


def main() -> int:
    """Hold a lesson; the status is 1 if anything went wrong."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--visitors", type=int, default=50)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    model = ResNet50FineTuned.from_checkpoint()
    films = [make_film(model, seed) for seed in range(8)]
    with TemporaryDirectory() as folder, running_app(ROOT, {"GRADIO_TEMP_DIR": folder}) as app:
        fetch(app.address)
        asyncio.run(hold(app.address, films, 2, seed=1))  # warm
        before = resident(app.process)
        alone, lesson = asyncio.run(hold(app.address, films, chosen.visitors, chosen.seed))
        after = resident(app.process)
        time.sleep(_FORGOTTEN)
        files = [path for path in Path(folder).rglob("*") if path.is_file()]
    last = max(lesson.opened)
    figures = {
        "visitors": chosen.visitors,
        "left in the middle": lesson.left,
        "questions": lesson.asked,
        "alone, seconds": round(alone, 2),
        "median, seconds": round(median(lesson.opened), 2),
        "last, seconds": round(last, 2),
        "last / alone": round(last / alone, 1),
        "MB before": before,
        "MB after": after,
        "files left": len(files),
    }
    print(json.dumps(figures))
    lesson.faults += [f"{len(files)} files are left"] if files else []
    lesson.faults += ["memory grew"] if after - before > MAY_GROW else []
    lesson.faults += ["the last waited too long"] if last > MAY_WAIT * alone else []
    print(*lesson.faults, sep="\n", file=sys.stderr)
    return int(bool(lesson.faults))


if __name__ == "__main__":
    raise SystemExit(main())
