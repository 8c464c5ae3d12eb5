"""Bad clients: a full disk, files of others, values that nobody offers, hostile texts, floods.

python -m tests.campaigns.bad_clients --values 300 --seed 0
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from benchmarks.looking import write_film
from cxr_gradcam.imaging.radiograph import MAX_BYTES
from cxr_gradcam.imaging.reading import read_for_viewing
from tests.campaigns.memory import proportional
from tests.campaigns.visitor import Page, Visitor
from tests.helpers.running_app import ROOT, RunningApp, fetch, running_app

DISK_BUDGET = 5 * MAX_BYTES
MAY_GROW = 1000  # MB, while as many requests wait as may
_FORGOTTEN = 310.0  # seconds; an upload waits 300 for its event
_PART = 100_000_000  # bytes of an upload that fills the disk
_MARK = "Doe^Jane"  # as a patient's name; no answer and no log may repeat it
_SAFE = {"x-content-type-options", "referrer-policy", "content-security-policy"}
_MOST_EVENTS = 300


@dataclass
class Attempts:
    """What the bad clients came to.

    Attributes:
        app: the page's process.
        folder: where it keeps uploads.
        page: what it says of itself.
        film: a good file, and its stored values.
        rng: chooses what is sent.
        table: of each kind of attempt, what came of it.
        faults: what should not have come of it.
    """

    app: RunningApp
    folder: Path
    page: Page
    film: tuple[bytes, Any]
    rng: random.Random
    table: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        """What lies in the folder."""
        return [path for path in self.folder.rglob("*") if path.is_file()]

    async def good_visitor(self) -> None:
        """See whether the page still answers."""
        stored, heatmap = await Visitor(self.page).open(self.film[0])
        if not np.array_equal(stored, self.film[1]) or not heatmap.any():
            self.faults.append("another picture, or no map")


def named(path: object) -> list[Any]:
    """Return ways in which an event can name a file."""
    meta = {"_type": "gradio.FileData"}
    return [
        [{"path": path, "meta": meta}],
        [{"path": path}],
        {"path": path, "meta": meta, "url": path, "is_stream": True},
        path,
        [path],
    ]


async def other_files(tried: Attempts) -> None:
    """Ask for files that are no upload of this visitor's, by addresses and by events."""
    canary, outcomes = tried.folder / "canary.png", Counter[str]()
    canary.write_bytes(tried.film[0])
    outside = ROOT / "app.py"
    hits = 0

    async def hit(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hits
        hits += 1
        writer.close()

    listener = await asyncio.start_server(hit, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    paths = [
        "/etc/passwd",
        str(outside),
        str(ROOT / ".git" / "config"),
        str(tried.folder),
        f"{tried.folder}/../{tried.folder.name}/../../etc/passwd",
        f"http://127.0.0.1:{port}/film.png",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
    ]
    for path in paths:
        for address in (f"/gradio_api/file={path}", f"/gradio_api/file={path.replace('/', '%2F')}"):
            answer = await tried.page.client.get(address)
            outcomes[f"{answer.status_code}"] += 1
            if answer.status_code == 200:
                tried.faults.append(f"sent: {path}")
    for path in [*paths, str(canary)]:
        for event, first in (("open_upload", 2), ("change_class", 1)):
            for sent in named(path):
                outcomes[await ask(tried, event, [sent, *[None] * (first - 1)])] += 1
    async with listener:
        listener.close()
    if hits:
        tried.faults.append("an address was fetched")
    if not (outside.exists() and canary.exists()):
        tried.faults.append("a file was removed")
    canary.unlink()
    tried.table["files that are no uploads"] = told(outcomes)


async def ask(tried: Attempts, event: str, first: list[Any], **asked: Any) -> str:
    """Call an event; return "answered", "refused", or the status of a request that is none."""
    try:
        async for last in Visitor(tried.page).messages(event, first, **asked):
            message = last
    except httpx.HTTPStatusError as error:
        return str(error.response.status_code)
    text = str(message)
    if _MARK in text or "Traceback" in text:
        tried.faults.append(f"repeated: {text[:300]}")
    return "answered" if message.get("success") else "refused"


def anything(rng: random.Random, depth: int = 2) -> Any:
    """Return a value that nobody offers."""
    kinds: list[Callable[[], Any]] = [
        lambda: rng.choice([None, True, -1, 0, 10**30, 1e308, "", "\0", "../..", "gradcam"]),
        lambda: f"<svg onload=alert(1)>{_MARK}",
        lambda: "x" * rng.choice([100, 100_000]),
        lambda: rng.uniform(-5, 5),
    ]
    if depth:
        kinds += [
            lambda: [anything(rng, depth - 1) for _ in range(3)],
            lambda: {rng.choice(["path", "value", "meta"]): anything(rng, depth - 1)},
        ]
    return rng.choice(kinds)()


async def other_values(tried: Attempts, count: int) -> None:
    """Call every event of the page with values outside the offered ones."""
    outcomes = Counter[str]()
    for _ in range(count):
        event = tried.rng.choice([*tried.page.events.values()])
        body = {
            "data": [anything(tried.rng) for _ in range(tried.rng.randrange(9))],
            "event_data": anything(tried.rng),
            "fn_index": tried.rng.choice([event, event, event, -1, 10**6]),
            "session_hash": f"bad{tried.rng.randrange(20)}",
        }
        way = tried.rng.choice(["queue/join", "run/predict", "call/open_upload"])
        try:
            answer = await tried.page.client.post(f"/gradio_api/{way}", json=body)
        except httpx.TransportError:
            outcomes["closed"] += 1
            continue
        outcomes[str(answer.status_code)] += 1
        if _MARK in answer.text or "Traceback" in answer.text:
            tried.faults.append(f"repeated by {way}: {answer.text[:300]}")
    for name in ("model", "class_name", "question", "method", "detail"):
        for event in ("change_class", "change_map"):
            outcomes[await ask(tried, event, [None], **{name: anything(tried.rng)})] += 1
    tried.table["values that nobody offers"] = told(outcomes)


async def headers(tried: Attempts) -> None:
    """Ask for whatever the page serves, and for what it does not."""
    lacking = []
    [upload] = [await Visitor(tried.page).upload(b"<svg onload='alert(1)'/>", "a.svg")]
    for address in (
        "/",
        "/config",
        "/viewer/main.js",
        "/pixels/none",
        "/nowhere",
        "/gradio_api/upload",
        f"/gradio_api/file={upload['path']}",
    ):
        answer = await tried.page.client.get(address)
        lacking += [f"{address}: {name}" for name in _SAFE - {*answer.headers}]
        if "svg" in answer.headers.get("content-type", ""):
            lacking.append(f"{address}: an upload is sent as a drawing")
    tried.faults += lacking
    tried.table["headers"] = f"{len(lacking)} are lacking"


async def flood(tried: Attempts) -> None:
    """Let large requests wait in the queue, as many as it takes; nobody listens."""
    before, statuses, peak = proportional(tried.app.process), Counter[str](), 0
    body = {
        "data": ["x" * 3_900_000, None, *tried.page.controls],
        "fn_index": tried.page.events["open_upload"],
        "session_hash": "flood",
    }
    for _ in range(_MOST_EVENTS // 20):
        sent = [tried.page.client.post("/gradio_api/queue/join", json=body) for _ in range(20)]
        for answer in await asyncio.gather(*sent):
            statuses[str(answer.status_code)] += 1
        peak = max(peak, proportional(tried.app.process))
    tried.table["large requests to the queue"] = f"{told(statuses)}; {peak - before} MB more"
    tried.faults += ["requests fill the memory"] if peak - before > MAY_GROW else []


async def fill_disk(tried: Attempts) -> None:
    """Upload without asking for anything, in turn by four, until the page refuses."""
    statuses, peak = Counter[str](), 0

    async def fill() -> None:
        nonlocal peak
        for _ in range(2 * DISK_BUDGET // _PART // 4):
            files = {"files": (f"{_MARK}.png", bytes(_PART))}
            answer = await tried.page.client.post("/gradio_api/upload", files=files)
            statuses[str(answer.status_code)] += 1
            peak = max(peak, sum(path.stat().st_size for path in tried.files))

    await asyncio.gather(*(fill() for _ in range(4)))
    tried.table["uploads without an event"] = (
        f"{told(statuses)}; {peak / 1e9:.1f} GB on disk at most"
    )
    if "503" not in statuses or peak > DISK_BUDGET:
        tried.faults.append("uploads fill the disk")
    if any(_MARK in path.name for path in tried.files):
        tried.faults.append("a file's name stays")


async def try_all(app: RunningApp, folder: Path, film: Path, values: int, seed: int) -> Attempts:
    """Try everything, and after each whether the page still answers."""
    good = film.read_bytes(), read_for_viewing(film)[1].values
    async with httpx.AsyncClient(base_url=app.address, timeout=300) as client:
        tried = Attempts(app, folder, await Page.of(client), good, random.Random(seed))
        ways: list[Coroutine[Any, Any, None]] = [
            tried.good_visitor(),
            headers(tried),
            other_files(tried),
            other_values(tried, values),
            flood(tried),
            fill_disk(tried),
        ]
        for way in ways[:-1]:
            await way
            await tried.good_visitor()
        await ways[-1]
    return tried


def told(counts: Counter[str]) -> str:
    """Say what came, and how often."""
    return ", ".join(f"{what}: {number}" for what, number in sorted(counts.items()))


def main() -> int:
    """Try, and print a table; the status is 1 if anything came through."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--values", type=int, default=300, help="calls with random values")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    with TemporaryDirectory() as drawn, TemporaryDirectory() as folder:
        film = Path(drawn) / "film.dcm"
        write_film(film, 640, 512, bits=12)
        with running_app(ROOT, {"GRADIO_TEMP_DIR": folder}) as app:
            fetch(app.address)
            tried = asyncio.run(try_all(app, Path(folder), film, chosen.values, chosen.seed))
            time.sleep(_FORGOTTEN)
            left = tried.files
    tried.table["files left after their time"] = str(len(left))
    tried.faults += [f"{len(left)} files are left"] if left else []
    print("| attempt | what came of it |\n|---|---|")
    print(*(f"| {way} | {outcome} |" for way, outcome in tried.table.items()), sep="\n")
    print(*tried.faults, sep="\n", file=sys.stderr)
    return int(bool(tried.faults))


if __name__ == "__main__":
    raise SystemExit(main())
