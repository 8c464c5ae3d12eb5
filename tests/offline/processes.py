"""Runs commands and the page, each in a process of its own, with an empty home and no settings.

The processes are forks of one that has imported torch, which saves most of their time; that import
is watched as well.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from urllib.request import Request, urlopen

HOST = "127.0.0.1"
PATIENCE = 240
"""Seconds in which a process must have started to listen, on a machine that is busy."""

COMMANDS: dict[str, str] = {
    "explain": "explain DATA/Normal/0.png --output out --table out/table.parquet --report",
    "explain, archive": "explain FILM --output out --dicom --model MODEL",
    "convert": "convert MODEL --output out/converted.safetensors",
    "train": "train DATA --output out/weights.safetensors --epochs 1 --size 32 --batch-size 8 "
    "--phantoms 0 --validation-share 0.3 --network torchvision:resnet18",
    "calibrate": "calibrate out/weights.safetensors DATA",
    "evaluate": "evaluate DATA --weights out/weights.safetensors --report out/report",
    "demo": "demo --output out/demo.png",
    "model-card": "model-card --output out/card.md",
    "node": "node --port PORT --host 127.0.0.1 --store-to A@127.0.0.1:9 --spool out/spool "
    "--model MODEL",
    "page": "--model bundled --model MODEL",
}
"""By a name; all of them write into out and may read what those before them wrote there."""


_LIGHTER = {
    "calibrate": ("cxr_gradcam.training.calibration", "PHANTOMS", 8),
    "evaluate": ("cxr_gradcam.evaluation.intervals", "RESAMPLES", 20),
}
"""What a command repeats often, and how often is enough here."""


def run_all(folder: Path, places: dict[str, str]) -> None:
    """Run the commands; write {name: exit status} into told/statuses.json of the folder.

    Args:
        folder: of each process's home, temporary files and log; told holds what it prints.
        places: what stands for MODEL, DATA and FILM in the commands.
    """
    import cxr_gradcam.models.resnet50  # noqa: F401 - torch and torchvision

    statuses = {}
    for name, words in COMMANDS.items():
        places["PORT"] = str(_free_port())
        for place, value in places.items():
            words = words.replace(place, value)
        process = os.fork()
        if process == 0:
            _begin(folder, name)
            sys.exit(_serve(places["PORT"], words) if name == "page" else _run(words))
        if name in _ANSWERS:
            _stop_when(process, _ANSWERS[name], int(places["PORT"]))
        statuses[name] = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    (folder / "told" / "statuses.json").write_text(json.dumps(statuses))


def _begin(folder: Path, name: str) -> None:
    """Give this process a home, a folder for a time and a log of its own."""
    for variable, place in (("HOME", "home"), ("TMPDIR", "temporary")):
        os.environ[variable] = str(folder / place / name)
        Path(os.environ[variable]).mkdir(parents=True)
    os.environ["AUDIT_LOG"] = str(folder / f"{name}.log")
    tempfile.tempdir = None  # that of the process before the fork
    said = os.open(folder / "told" / f"{name}.txt", os.O_WRONLY | os.O_CREAT)
    os.dup2(said, 1)
    os.dup2(said, 2)


def _run(words: str) -> int:
    from cxr_gradcam.cli import main

    command = words.split()[0]
    if command in _LIGHTER:
        module, name, value = _LIGHTER[command]
        setattr(import_module(module), name, value)
    return main(words.split())


def _serve(port: str, words: str) -> int:
    from app import main  # before Gradio, as users start it

    # isort: split
    from gradio import networking

    networking.url_ok = lambda _: True  # it gives up on a page of a busy machine after seconds
    os.environ["GRADIO_SERVER_PORT"] = port
    return main(words.split())


def _connected(port: int) -> None:
    with socket.create_connection((HOST, port), timeout=1):
        pass


def _classified(port: int) -> None:
    """Open the page, and ask it what the model says of a picture."""
    with urlopen(f"http://{HOST}:{port}/", timeout=30) as page:
        assert page.status == 200
    picture = b64encode(Path("picture.png").read_bytes()).decode()
    call = Request(
        f"http://{HOST}:{port}/gradio_api/run/classify",
        json.dumps({"data": [picture]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(call, timeout=30) as answer:
        assert "probabilities" in json.load(answer)["data"][0]


_ANSWERS: dict[str, Callable[[int], None]] = {"node": _connected, "page": _classified}
"""What is asked of those that serve until they are stopped."""


def _stop_when(process: int, ask: Callable[[int], None], port: int) -> None:
    """Interrupt a process as soon as it has answered."""
    end = time.monotonic() + PATIENCE
    is_asked = False
    while not is_asked and _is_running(process) and time.monotonic() < end:
        try:
            ask(port)
            is_asked = True
        except OSError:  # it does not listen yet
            time.sleep(0.2)
    os.kill(process, signal.SIGINT)


def _is_running(process: int) -> bool:
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    run_all(Path(sys.argv[1]), json.loads(sys.argv[2]))
