"""Real programs and servers, on loopback, with folders of their own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.helpers.patience import PATIENCE, wait_until

DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PROGRAMS = f"{os.environ['PATH']}:/usr/sbin"
USER, PASSWORD = "reader", "of films"


def need(*programs: str) -> None:
    """Skip a test where a program is missing; in CI that is a failure."""
    missing = [name for name in programs if not shutil.which(name, path=PROGRAMS)]
    if missing:
        text = f"not installed: {', '.join(missing)}"
        pytest.fail(text) if os.environ.get("CI") else pytest.skip(text)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, output and errors as text."""
    need(str(words[0]))
    return subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
    )


@dataclass(frozen=True)
class Orthanc:
    """A running archive."""

    http_port: int
    dicom_port: int
    title: str = "ORTHANC"

    @property
    def dicomweb(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.http_port}{path}",
            auth=(USER, PASSWORD),
            timeout=PATIENCE,
            **options,
        )

    def get(self, path: str) -> Any:
        return self.request("GET", path).raise_for_status().json()

    def store(self, data: bytes) -> str:
        """Store an instance; say what became of it."""
        answer = self.request("POST", "/instances", content=data).raise_for_status()
        return str(answer.json()["Status"])

    def find(self, uid: str) -> list[str]:
        """The archive's names of the instances with a SOP Instance UID."""
        answer = self.request("POST", "/tools/lookup", content=uid).raise_for_status()
        return [found["ID"] for found in answer.json() if found["Type"] == "Instance"]

    def clear(self) -> None:
        for patient in self.get("/patients"):
            self.request("DELETE", f"/patients/{patient}").raise_for_status()


@contextmanager
def running_orthanc(folder: Path) -> Iterator[Orthanc]:
    need("Orthanc")
    program = str(shutil.which("Orthanc", path=PROGRAMS))
    archive = Orthanc(free_port(), free_port())
    settings = {
        "Name": "Test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": archive.http_port,
        "DicomPort": archive.dicom_port,
        "DicomAet": archive.title,
        "DicomCheckCalledAet": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "Plugins": [str(DICOMWEB_PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, folder / "orthanc.json"], stdout=log, stderr=log)
        try:
            wait_until(lambda: process.poll() is not None or _answers(archive))
            assert process.poll() is None, (folder / "log").read_text()
            yield archive
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _answers(archive: Orthanc) -> bool:
    try:
        return archive.request("GET", "/system").is_success
    except httpx.TransportError:
        return False
