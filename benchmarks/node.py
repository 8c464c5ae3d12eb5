"""The DICOM node: films sent at once by dcmtk's storescu, until every answer has come back."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

from pydicom import dcmread
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.presentation import AllStoragePresentationContexts
from rich.console import Console

from benchmarks.films import dicoms
from benchmarks.timing import processor
from cxr_gradcam.archive.results import KINDS

_TIMEOUT = 1800  # seconds for all


@dataclass
class Archive:
    """Takes results and remembers when which came."""

    arrivals: list[tuple[float, str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, event: Event) -> int:
        """Note the identifier of a result and of its series' film."""
        now, dataset = perf_counter(), event.dataset
        with self.lock:
            self.arrivals.append((now, str(dataset.SOPInstanceUID), str(dataset.StudyInstanceUID)))
        return 0x0000

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Listen at a free port."""
        entity = AE("ARCHIVE")
        entity.supported_contexts = AllStoragePresentationContexts
        server = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self.take)]
        )
        assert server is not None  # noqa: S101 - it does not block
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.node", description=__doc__)
    parser.add_argument("--films", type=int, default=100, help="of 2,000 x 2,500, JPEG Lossless")
    parser.add_argument("--senders", type=int, default=1, help="storescu processes at once")
    options = parser.parse_args()
    console = Console(highlight=False)
    console.print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory() as folder:
        paths = films(Path(folder, "films"), options.films)
        archive = Archive()
        with archive.listening() as port, running_node(Path(folder), port) as node:
            start = perf_counter()
            sent = send(paths, node, options.senders)
            wait_for(archive, len(paths) * len(KINDS))
    for line in report(archive, start, sent, len(paths)):
        console.print(line)
    console.print(f"load {os.getloadavg()[0]:.1f}")


def films(folder: Path, number: int) -> list[Path]:
    """Write films that each have a study of their own, so that answers tell them apart."""
    folder.mkdir()
    drawn = dicoms(folder, min(number, 8), lossless=True)
    paths = []
    for index in range(number):
        film = dcmread(drawn[index % len(drawn)])
        film.StudyInstanceUID = generate_uid(entropy_srcs=["study", str(index)])
        film.SOPInstanceUID = generate_uid(entropy_srcs=["film", str(index)])
        film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
        paths.append(folder / f"film-{index:03}.dcm")
        film.save_as(paths[-1])
    return paths


@contextmanager
def running_node(folder: Path, port: int) -> Iterator[int]:
    """Start the node as its command does, and wait until it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = free.getsockname()[1]
    words = [sys.executable, "-m", "cxr_gradcam", "node", "--ae-title", "NODE", "--port", str(own)]
    words += ["--host", "127.0.0.1", "--store-to", f"ARCHIVE@127.0.0.1:{port}", "--min-free", "0"]
    log = folder / "log"
    with log.open("wb") as file:
        node = subprocess.Popen(  # noqa: S603 - our own command
            [*words, "--spool", str(folder / "spool")], stdout=file, stderr=file
        )
        try:
            while "listens at" not in log.read_text():
                if node.poll() is not None:
                    raise RuntimeError(log.read_text())
                sleep(0.05)
            yield own
        finally:
            node.terminate()
            node.wait(60)


def send(paths: list[Path], port: int, senders: int) -> float:
    """Send films by so many processes, and return when all were acknowledged."""
    # pynetdicom puts a program of the same name beside the interpreter
    folders = os.environ["PATH"].split(os.pathsep)
    elsewhere = [each for each in folders if Path(each) != Path(sys.executable).parent]
    program = shutil.which("storescu", path=os.pathsep.join(elsewhere))
    if program is None:
        raise RuntimeError("storescu is not installed: apt install dcmtk")
    words = [program, "-xs", "-aec", "NODE", "127.0.0.1", str(port)]  # -xs: JPEG Lossless
    running = [
        subprocess.Popen([*words, *map(str, paths[number::senders])])  # noqa: S603 - dcmtk's
        for number in range(senders)
    ]
    if any(process.wait() for process in running):
        raise RuntimeError("storescu did not send every film")
    return perf_counter()


def wait_for(archive: Archive, number: int) -> None:
    """Wait for so many results, and a little longer for any that come twice."""
    end = perf_counter() + _TIMEOUT
    while len(archive.arrivals) < number and perf_counter() < end:
        sleep(0.1)
    sleep(2)


def report(archive: Archive, start: float, sent: float, number: int) -> Iterator[str]:
    """Say what came back and when."""
    results = [uid for _, uid, _ in archive.arrivals]
    answered = [study for _, _, study in archive.arrivals]
    whole = sum(answered.count(study) == len(KINDS) for study in {*answered})
    times = sorted(when - start for when, _, _ in archive.arrivals)
    yield f"{number} films acknowledged after {sent - start:.1f} s"
    yield f"{whole} of {number} answered by all {len(KINDS)} objects"
    yield f"{len(results) - len({*results})} results came twice"
    yield f"first answer after {times[0]:.2f} s, half {median(times):.1f}, all {times[-1]:.1f}"


if __name__ == "__main__":
    main()
