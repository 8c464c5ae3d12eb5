"""No command and no page calls out, or leaves a file where nobody asked for one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.archive.sources import chest, file_of, source
from tests.golden.network import write_network
from tests.offline.processes import COMMANDS

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # commands in processes of their own take a minute
AUDIT = ROOT / "tests" / "offline" / "audit"


@dataclass(frozen=True)
class Run:
    """Where the processes ran; `work` is their current folder, and `work/out` theirs to fill."""

    folder: Path
    statuses: dict[str, int]

    def log(self, name: str) -> list[str]:
        path = self.folder / f"{name}.log"
        return path.read_text("utf-8").splitlines() if path.exists() else []

    def said(self, name: str) -> str:
        return (self.folder / "told" / f"{name}.txt").read_text("utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("offline")
    work, data = folder / "work", folder / "data"
    work.mkdir()
    (folder / "told").mkdir()
    rng = np.random.default_rng(0)
    for name, level in (("Normal", 90), ("Pneumonia", 150)):
        (data / name).mkdir(parents=True)
        for index in range(60):
            pixels = rng.normal(level, 40, (32, 32)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(data / name / f"{index}.png")
    Image.fromarray(pixels).save(work / "picture.png")
    film, model = folder / "film.dcm", write_network(folder / "model.safetensors")
    film.write_bytes(file_of(source("a", chest(7, 96))))
    places = {"DATA": str(data), "FILM": str(film), "MODEL": str(model)}
    for name in ("home", "temporary"):
        (folder / name / "before").mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-m", "tests.offline.processes", str(folder), json.dumps(places)],
        cwd=work,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{AUDIT}{os.pathsep}{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "HOME": str(folder / "home" / "before"),
            "TMPDIR": str(folder / "temporary" / "before"),
            "AUDIT_LOG": str(folder / "before.log"),
        },
        check=True,
    )
    return Run(folder, json.loads((folder / "told" / "statuses.json").read_text("utf-8")))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_does_its_work(run: Run, name: str) -> None:
    assert run.statuses[name] == 0, run.said(name)


@pytest.mark.parametrize("name", ["before", *COMMANDS])
def test_no_other_machine_is_asked(run: Run, name: str) -> None:
    assert [line for line in run.log(name) if line.startswith("asked ")] == []


@pytest.mark.parametrize("name", ["before", *COMMANDS])
def test_nothing_is_left_at_home_and_no_file_where_files_are_for_a_time(
    run: Run, name: str
) -> None:
    assert [*(run.folder / "home" / name).rglob("*")] == []
    left = (run.folder / "temporary" / name).rglob("*")
    assert [path for path in left if not path.is_dir()] == []


@pytest.mark.parametrize("name", ["before", *COMMANDS])
def test_no_file_is_left_but_what_was_asked_for(run: Run, name: str) -> None:
    wrote = {Path(line.removeprefix("wrote ")) for line in run.log(name) if line[:6] == "wrote "}
    assert wrote or name == "before", "the audit sees what is written"
    asked_for = {run.folder / "work" / "out", run.folder / "told"}
    left = {path for path in wrote if path.is_file() and asked_for.isdisjoint(path.parents)}
    assert left == set()


def test_nothing_else_appears_in_the_current_folder(run: Run) -> None:
    assert {path.name for path in (run.folder / "work").iterdir()} == {"out", "picture.png"}


def test_what_calls_out_or_writes_is_noted(tmp_path: Path) -> None:
    script = (
        "import pathlib, socket, sys; pathlib.Path(sys.argv[1]).write_text('');"
        "socket.create_connection(('example.org', 80))"
    )
    log = tmp_path / "log"
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "file")],
        env={"PYTHONPATH": str(AUDIT), "AUDIT_LOG": str(log)},
        capture_output=True,
    )
    assert b"no network: example.org" in ended.stderr
    assert log.read_text("utf-8") == f"wrote {tmp_path / 'file'}\nasked example.org\n"
