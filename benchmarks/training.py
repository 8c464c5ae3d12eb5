"""Teachers and a student, trained on one machine from a small packed set.

python -m benchmarks.training pack SET.zip FOLDER… [--also FILE…] [--size 192] [--megabytes 40]
python -m benchmarks.training run SET.zip OUT --teacher NETWORK=FILE… [--epochs 4 8] -- TRAIN…

"pack" reduces all radiographs below the folders to squares, as JPEG under their own names, beside
their tables: some ten thousand fit into 40 MB, and go where the folders cannot. "run" unpacks the
set, trains each teacher and then the student with the given options of `train`, whose paths are
those of the set, calibrates the student, and prints how long each took. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from io import BytesIO
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from zipfile import ZipFile

import torch
from PIL import Image
from rich.console import Console

from benchmarks.timing import device_name
from cxr_gradcam.cli import main as command
from cxr_gradcam.cli.options import add_sources
from cxr_gradcam.imaging.formats import has_known_format
from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.imaging.reading import read_named

QUALITIES = range(95, 25, -5)
SAMPLE = 100
"""The number of radiographs that the quality of all is chosen by."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack a set, or train with one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    packing = commands.add_parser("pack")
    packing.set_defaults(work=pack)
    packing.add_argument("set", type=Path)
    packing.add_argument("folders", type=Path, nargs="+")
    packing.add_argument("--also", type=Path, nargs="*", default=[], help="weights and tables")
    packing.add_argument("--size", type=int, default=192, help="side in pixels")
    packing.add_argument("--megabytes", type=float, default=40, help="of the radiographs")
    running = commands.add_parser("run")
    running.set_defaults(work=train_all)
    running.add_argument("set", type=Path)
    running.add_argument("out", type=Path)
    running.add_argument("--teacher", nargs="+", default=[], metavar="NETWORK=FILE")
    running.add_argument("--epochs", type=int, nargs=2, default=(4, 8), help="teachers, student")
    running.add_argument("train", nargs="+", help="options of train, after --")
    options = parser.parse_args(arguments)
    return int(options.work(options))


def pack(options: argparse.Namespace) -> int:
    """Write a set: radiographs, reduced, and tables of the folders; other files as they are."""
    files = [
        (path, folder.name / path.relative_to(folder))
        for folder in options.folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    films = [(path, name) for path, name in files if has_known_format(path.read_bytes())]
    tables = [(path, name) for path, name in files if path.suffix.lower() == ".csv"]
    quality = _quality([path for path, _ in films], options.size, options.megabytes * 1e6)
    with ZipFile(options.set, "w") as archive, ThreadPoolExecutor() as pool:
        paths, names = zip(*films, strict=True)
        made = pool.map(lambda path: _as_jpeg(_square(path, options.size), quality), paths)
        for name, data in zip(names, made, strict=True):
            archive.writestr(str(name), data)
        for path, name in chain(tables, ((path, Path(path.name)) for path in options.also)):
            archive.write(path, name)
    size = options.set.stat().st_size / 1e6
    Console().print(f"{options.set}: {len(films):,} X-rays, quality {quality}, {size:.1f} MB")
    return 0


def _quality(paths: Sequence[Path], size: int, most: float) -> int:
    """Return the highest JPEG quality at which all radiographs take at most so many bytes."""
    sample = [_square(path, size) for path in paths[:: max(1, len(paths) // SAMPLE)]]
    for quality in QUALITIES:
        mean = sum(len(_as_jpeg(image, quality)) for image in sample) / len(sample)
        if mean * len(paths) <= most:
            return quality
    raise SystemExit(
        f"{len(paths):,} X-rays of {size} pixels do not fit into {most / 1e6:.0f} MB: make them "
        "smaller by --size, or allow more --megabytes"
    )


def _square(path: Path, size: int) -> Image.Image:
    pixels = Image.fromarray(quantize(read_named(str(path)).pixels))
    return pixels.resize((size, size), Image.Resampling.BILINEAR)


def _as_jpeg(image: Image.Image, quality: int) -> bytes:
    written = BytesIO()
    image.save(written, "JPEG", quality=quality)
    return written.getvalue()


def train_all(options: argparse.Namespace) -> int:
    """Train the teachers, then the student, and calibrate it."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    console, out = Console(highlight=False), options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    console.print(f"{device_name(device)}, torch {torch.__version__}, {os.cpu_count()} cores")
    with TemporaryDirectory() as folder:
        with ZipFile(options.set) as archive:
            archive.extractall(folder)
        with chdir(folder):
            for name, words in _commands(options, out):
                start = perf_counter()
                if command(words):
                    console.print(f"{name} failed")
                    return 1
                console.print(f"{name}: {perf_counter() - start:.0f} s")
    return 0


def _commands(options: argparse.Namespace, out: Path) -> Iterator[tuple[str, list[str]]]:
    teachers = []
    for number, given in enumerate(options.teacher):
        network, file = given.split("=")
        teachers.append(str(out / f"teacher-{number}.safetensors"))
        words = ["--network", network, "--weights", file, "--output", teachers[-1]]
        epochs = ["--epochs", str(options.epochs[0])]
        yield network, ["train", *options.train, *words, *epochs]
    student = str(out / "student.safetensors")
    words = ["--weights", "bundled", "--epochs", str(options.epochs[1]), "--output", student]
    taught = ["--teacher", *teachers] if teachers else []
    yield "student", ["train", *options.train, *words, *taught]
    yield "calibration", ["calibrate", student, *_of_data(options.train)]


def _of_data(words: Sequence[str]) -> list[str]:
    """Return the options that calibrate takes as well: folders, tables and patients."""
    parser = argparse.ArgumentParser(add_help=False)
    add_sources(parser)
    shared = {name for action in parser._actions for name in action.option_strings}
    kept, takes = list[str](), True
    for word in words:
        if word.startswith("--"):
            takes = word in shared
        if takes:
            kept.append(word)
    return kept


if __name__ == "__main__":
    raise SystemExit(main())
