"""Many files: how near table and pictures come to the bare network, and to the bare decoder.

Contenders take turns on equal parts of the files, and ratios are taken part by part, since others
may use the machine's cores too.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from rich.console import Console
from rich.table import Table as Printed
from torch import Tensor

from benchmarks.films import dicoms, jpegs
from benchmarks.timing import interleave, median_ratio, processor
from cxr_gradcam.batch import Analysis, Pictures, Table, explain_files, find_sources
from cxr_gradcam.batch.cluster import connected, explain_on_cluster
from cxr_gradcam.batch.files import BATCH
from cxr_gradcam.batch.sources import Source
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.models.stages import DETAIL

TABLE_ALONE = Question(layers=DETAIL["coarse"])
PEER_FILES, DRAWN_FILES = 16, 96  # of each part: the plain loop and pictures take longer
SETTLED = 500  # files after which memory must not grow

OURS, NETWORK, DECODER = "table alone", "network alone, batches of 16", "decoder alone, two threads"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--jpegs", type=int, default=2000, help="of 224 pixels")
    parser.add_argument("--dicoms", type=int, default=200, help="of 2,000 x 2,500, of each kind")
    parser.add_argument("--passing", type=int, default=10_000, help="while memory is watched")
    parser.add_argument("--parts", type=int, default=5, help="of the files, measured in turn")
    parser.add_argument("--watch", type=Path, metavar="DIR", help="print the memory that DIR takes")
    options = parser.parse_args()
    if options.watch:
        print(*_memory(options.watch))
        return
    console = Console(highlight=False)
    console.print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory() as folder:
        console.print(small_files(Path(folder, "jpegs"), options.jpegs, options.parts))
        for lossless in (False, True):
            place = Path(folder, f"dicoms-{lossless}")
            console.print(films(place, options.dicoms, options.parts, lossless=lossless))
        console.print(memory(Path(folder, "passing"), options.passing))
        console.print(cluster(Path(folder, "ray"), options.jpegs))
    console.print(f"load {os.getloadavg()[0]:.1f}")


def small_files(folder: Path, number: int, parts: int) -> Printed:
    """Measure small JPEGs: table alone, with pictures, the bare network and a plain loop."""
    folder.mkdir()
    model, turns = ResNet50FineTuned.from_checkpoint(), _parts(jpegs(folder, number), parts)
    times = interleave(
        {
            NETWORK: _taking(turns, partial(_network, model)),
            OURS: _taking(turns, partial(_table, model, folder)),
            "with pictures": _taking(turns, partial(_pictures, model, folder), DRAWN_FILES),
            "plain loop with torchcam": _taking(turns, _plain_loop(), PEER_FILES),
        },
        parts,
        warm_up=1,
    )
    return _printed(f"{number:,} JPEGs of 224 pixels", times, NETWORK)


def films(folder: Path, number: int, parts: int, *, lossless: bool) -> Printed:
    """Measure films of a detector's size: table alone, the bare decoder and the bare network."""
    folder.mkdir()
    paths = dicoms(folder, number, lossless=lossless)
    model, turns = ResNet50FineTuned.from_checkpoint(), _parts(paths, parts)
    times = interleave(
        {
            DECODER: _taking(turns, _decoder),
            OURS: _taking(turns, partial(_table, model, folder)),
            NETWORK: _taking(turns, partial(_network, model)),
        },
        parts,
        warm_up=1,
    )
    kind = "JPEG Lossless" if lossless else "uncompressed"
    return _printed(f"{number:,} DICOM files of 2,000 x 2,500, {kind}", times, DECODER)


def memory(folder: Path, number: int) -> str:
    """Watch the memory of a process through which so many files pass."""
    folder.mkdir()
    drawn = jpegs(folder, min(number, 1000))
    for extra in range(len(drawn), number):
        os.link(drawn[extra % len(drawn)], folder / f"{extra:05}.jpg")
    words = [sys.executable, "-m", "benchmarks.batch", "--watch", str(folder)]
    said = subprocess.run(words, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    least, most = map(float, said.stdout.split())
    return f"Memory while {number:,} files pass, after {SETTLED}: {least:.0f} to {most:.0f} MB"


def cluster(folder: Path, number: int) -> str:
    """Measure actors of one thread each; while they start, they do not count."""
    folder.mkdir()
    sources = find_sources(jpegs(folder, number))
    model = ResNet50FineTuned.from_checkpoint()
    with connected("local"):
        rates = {actors: _rate(model, folder, sources, actors) for actors in (1, 2)}
    said = ", ".join(f"{actors}: {rate:.0f} files/s" for actors, rate in rates.items())
    return f"Ray, actors of one thread each: {said}, ratio {rates[2] / rates[1]:.2f}"


def _rate(model: ResNet50FineTuned, folder: Path, sources: Sequence[Source], actors: int) -> float:
    analysis = Analysis("benchmark", model.class_names, TABLE_ALONE)
    with Table(folder / f"{actors}.csv", analysis) as table:
        made = explain_on_cluster(model, sources, table, actors=actors)
        times = [perf_counter() for _ in made]
    half = len(times) // 2
    return (len(times) - half) / (times[-1] - times[half])


def _parts(paths: Sequence[Path], parts: int) -> list[Sequence[Path]]:
    """Cut files into parts, and one more, the first again, to warm up with."""
    size = len(paths) // parts
    cut = [paths[start : start + size] for start in range(0, size * parts, size)]
    return [cut[0], *cut]


def _taking(
    parts: Sequence[Sequence[Path]],
    work: Callable[[Sequence[Path]], None],
    at_most: int | None = None,
) -> Callable[[], float]:
    """Return what measures the next part, in ms per file."""
    waiting = iter(parts)

    def measure() -> float:
        paths = next(waiting)[:at_most]
        start = perf_counter()
        work(paths)
        return 1000 * (perf_counter() - start) / len(paths)

    return measure


def _network(model: ResNet50FineTuned, paths: Sequence[Path]) -> None:
    """Classify as many images as there are files."""
    side = model.preprocessing.size
    x = torch.randn(BATCH, 3, side, side, generator=torch.Generator().manual_seed(0))
    for start in range(0, len(paths), BATCH):
        model.record(x[: len(paths) - start], DETAIL["coarse"])


_tables = count()


def _table(model: ResNet50FineTuned, folder: Path, paths: Sequence[Path]) -> None:
    analysis = Analysis("benchmark", model.class_names, TABLE_ALONE)
    with Table(folder / f"table-{next(_tables)}.csv", analysis) as table:
        made = explain_files(model, find_sources(paths), None, TABLE_ALONE, table=table)
        assert sum("probabilities" in each for each in made) == len(paths)  # noqa: S101


def _pictures(model: ResNet50FineTuned, folder: Path, paths: Sequence[Path]) -> None:
    question = Question(layers=DETAIL["fine"])
    made = explain_files(model, find_sources(paths), Pictures(folder / "out"), question)
    assert sum("outputs" in each for each in made) == len(paths)  # noqa: S101


def _decoder(paths: Sequence[Path]) -> None:
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(_decode, path) for path in paths]:
            done.result()


def _decode(path: Path) -> None:
    read_radiograph(path)


def _plain_loop() -> Callable[[Sequence[Path]], None]:
    """Do as torchcam's documentation shows: one file after the other, and write a row of each."""
    from torchcam.methods import GradCAM

    model = ResNet50FineTuned.from_checkpoint(enable_gradcam=False).resnet50.requires_grad_()
    extractor = GradCAM(model, model.layer4[-1].conv3)

    def work(paths: Sequence[Path]) -> None:
        with Path(os.devnull).open("w", newline="") as file:
            rows = csv.writer(file)
            for path in paths:
                logits = model(_torchvision_input(path))
                maps = extractor(int(logits.argmax()), logits)[0]
                rows.writerow([path, *logits.softmax(1)[0].tolist(), int(maps.argmax())])

    return work


def _torchvision_input(path: Path) -> Tensor:
    from PIL import Image
    from torchvision.transforms.v2 import functional as F

    with Image.open(path) as image:
        tensor = F.to_dtype(F.pil_to_tensor(image.convert("RGB")), torch.float32, scale=True)
    normalized: Tensor = F.normalize(F.resize(tensor, [160, 160]), [0.48] * 3, [0.24] * 3)
    return normalized[None]


def _memory(folder: Path) -> tuple[float, float]:
    """Return the least and the greatest resident size in MB after the first files."""
    model = ResNet50FineTuned.from_checkpoint()
    analysis, sizes = Analysis("benchmark", model.class_names, TABLE_ALONE), []
    sources = find_sources(sorted(folder.glob("*.jpg")))
    with Table(folder / "memory.csv", analysis) as table:
        made = explain_files(model, sources, None, TABLE_ALONE, table=table)
        for number, _ in enumerate(made):
            if number >= SETTLED and number % BATCH == 0:
                pages = int(Path("/proc/self/statm").read_text().split()[1])
                sizes.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
    return min(sizes), max(sizes)


def _printed(title: str, times: dict[str, list[float]], base: str) -> Printed:
    table = Printed("", "ms a file", "files/s", f"rate, share of {base}", title=title)
    for name, measured in times.items():
        ratio = 1 / median_ratio(measured, times[base])
        middle = median(measured)
        table.add_row(name, f"{middle:.1f}", f"{1000 / middle:.0f}", f"{ratio:.0%}")
    return table


if __name__ == "__main__":
    main()
