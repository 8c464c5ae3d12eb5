"""`node` and `explain --dicom` as they are typed; a node that is killed loses nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import torchvision
from huggingface_hub.utils import filter_repo_objects
from pydicom import dcmread
from pydicom.uid import CTImageStorage

from cxr_gradcam.archive.dicomweb import PASSWORD, USER
from cxr_gradcam.archive.results import KINDS
from cxr_gradcam.cli import main
from tests.archive import servers
from tests.archive.servers import Orthanc, free_port, need, run
from tests.archive.sources import PATIENT, file_of, source
from tests.helpers.patience import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]


def films(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.dcm" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(file_of(source(str(number))))
    return paths


def tiny_weights(folder: Path) -> Path:
    """Anybody's weights, quick to load and to run; they come to the same file each time."""
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), folder / "own.pth")
    return folder / "own.pth"


@contextmanager
def started(folder: Path, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    """A node in a process of its own; it has the log file `log` in the folder."""
    command = [sys.executable, "-m", "cxr_gradcam", "node", *map(str, words)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait(PATIENCE)


def wait_for_start(folder: Path, process: subprocess.Popen[bytes], times: int) -> None:
    def is_ready() -> bool:
        told = (folder / "log").read_text().count("listens at")
        return told == times or process.poll() is not None

    wait_until(is_ready)
    assert process.poll() is None, (folder / "log").read_text()


@pytest.mark.slow
def test_what_a_killed_node_acknowledged_is_answered_once_by_the_next(
    tmp_path: Path, orthanc: Orthanc
) -> None:
    need("storescu")
    port, count = free_port(), 6
    options = ("--port", port, "--host", "127.0.0.1", "--ae-title", "NODE", "--min-free", 0)
    options += ("--spool", tmp_path / "spool")
    nowhere = f"ORTHANC@127.0.0.1:{free_port()}"
    paths = films(tmp_path, count)
    with started(tmp_path, *options, "--store-to", nowhere) as node:
        wait_for_start(tmp_path, node, 1)
        sent = run("storescu", "-aec", "NODE", "127.0.0.1", port, *paths)
        node.send_signal(signal.SIGKILL)
        assert sent.returncode == 0
    there = f"ORTHANC@127.0.0.1:{orthanc.dicom_port}"
    with started(tmp_path, *options, "--store-to", there, "--once") as node:
        assert node.wait(PATIENCE) == 0
    assert len(orthanc.get("/instances")) == count * len(KINDS)
    assert len(orthanc.get("/studies")) == 1
    with started(tmp_path, *options, "--store-to", there, "--once") as node:
        wait_for_start(tmp_path, node, 3)
        assert run("storescu", "-aec", "NODE", "127.0.0.1", port, *paths).returncode == 0
        assert node.wait(PATIENCE) == 0
    log = (tmp_path / "log").read_text()
    assert f"received=0 repeated={count} refused=0 explained=0" in log
    for word in PATIENT:
        assert word not in log


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command's handlers of signals are the process's: put those of the tests back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setenv(USER, servers.USER)
    monkeypatch.setenv(PASSWORD, servers.PASSWORD)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_a_study_is_fetched_explained_and_stored_by_dicomweb(
    tmp_path: Path, orthanc: Orthanc
) -> None:
    for path in films(tmp_path, 2):
        orthanc.store(path.read_bytes())
    study = str(source().StudyInstanceUID)
    words = ["node", "--dicomweb", orthanc.dicomweb, "--spool", str(tmp_path / "spool")]
    for _ in range(2):
        assert main([*words, "--study", study]) == 0
        assert len(orthanc.get("/instances")) == 2 + 2 * len(KINDS)
    assert main([*words, "--query", "StudyDate=20240105"]) == 0
    assert len(orthanc.get("/instances")) == 2 + 2 * len(KINDS)


@pytest.mark.usefixtures("in_process")
def test_a_study_that_is_not_there_is_told_and_the_status_says_so(
    tmp_path: Path,
    orthanc: Orthanc,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    other = source("ct", SOPClassUID=CTImageStorage, Modality="CT", StudyInstanceUID="2.25.405")
    for made in (source(), other):
        orthanc.store(file_of(made))
    studies = ["2.25.404", str(source().StudyInstanceUID), "2.25.405"]
    words = ["node", "--dicomweb", orthanc.dicomweb, "--model", str(tiny_weights(tmp_path))]
    assert main([*words, "--study", *studies]) == 1
    assert "--study number 1 is not in the archive" in caplog.text
    assert "--study number 2" not in caplog.text
    assert "--study number 3 has no CR or DX radiograph" in caplog.text
    assert not any(study in caplog.text for study in studies)
    assert len(orthanc.get("/instances")) == 2 + len(KINDS)
    assert main([*words, "--query", "StudyDate=19000101"]) == 0
    assert "no CR or DX radiograph in the archive matches --query" in caplog.text
    # What waits lies where nobody shares it by mistake
    assert (tmp_path / "state" / "cxr-gradcam" / "spool" / "completed").is_dir()
    assert not (tmp_path / "spool").exists()


def test_a_spool_in_the_checkout_is_not_uploaded() -> None:
    (excluded,) = re.findall(r"hf upload .*--exclude (.*)", (ROOT / "README.md").read_text("utf-8"))
    patterns = [pattern.strip('"') for pattern in excluded.split()]
    names = ["spool/waiting/0.dcm", "app.py"]
    assert [*filter_repo_objects(names, ignore_patterns=patterns)] == ["app.py"]
    git = ["git", "check-ignore", "--no-index", *names]
    ignored = subprocess.run(git, cwd=ROOT, capture_output=True, text=True).stdout
    assert ignored.split() == ["spool/waiting/0.dcm"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--store-to", "A@b:1"], "name a --port"),
        (["--store-to", "A@b:1", "--study", "1.2"], "--dicomweb"),
        (["--dicomweb", "http://a/b", "--query", "Modality"], "write KEYWORD=VALUE"),
        (["--store-to", "b:1", "--port", "1"], "write AET@HOST:PORT"),
        (["--store-to", "A@b:1", "--port", "1", "--tls-key", "k"], "belong together"),
        (["--store-to", "A@b:1", "--port", "1", "--class", "cat"], "no class 'cat'"),
    ],
)
def test_a_wrong_word_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], message: str
) -> None:
    assert main(["node", "--spool", str(tmp_path), *words]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1


def test_explain_writes_dicom_results_beside_the_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], xray: Path
) -> None:
    (film,) = films(tmp_path, 1)
    words = ["explain", str(film), str(xray), "--output", str(tmp_path / "out"), "--dicom"]
    assert main([*words, "--json"]) == 1
    done, refused = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert "received PNG" in refused["error"]
    assert {*done["outputs"]} == {"heatmap", "overlay", *(f"dicom-{kind}" for kind in KINDS)}
    for kind in KINDS:
        made = dcmread(done["outputs"][f"dicom-{kind}"])
        assert made.StudyInstanceUID == source().StudyInstanceUID
        assert str(made.PatientName) == "Doe^Jane"
    assert not any(word in json.dumps(done) for word in PATIENT)


def test_results_of_uncalibrated_weights_say_so_and_differ_by_settings(
    tmp_path: Path, film: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "film.dcm").write_bytes(film)
    torch.manual_seed(0)
    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), tmp_path / "own.pth")
    uids = set()
    for size in ("64", "96"):
        words = ["explain", str(tmp_path / "film.dcm"), "--output", str(tmp_path / "out"), "--json"]
        said = ["--model", str(tmp_path / "own.pth"), "--multi-label", "--input-size", size]
        assert main([*words, "--dicom", *said]) == 0
        done = json.loads(capsys.readouterr().out)
        report = dcmread(done["outputs"]["dicom-report"])
        uids.add(str(report.SOPInstanceUID))
        said_in_it = [each.value for each in report.iterall() if each.keyword == "TextValue"]
        assert "Calibration: none" in said_in_it
        assert any("ImageNet statistics assumed" in each for each in said_in_it)
        coded = {each.value for each in report.iterall() if each.keyword == "CodeValue"}
        assert not {"VERDICT", "RESEMBLANCE"} & coded
    assert len(uids) == 2


@pytest.mark.usefixtures("in_process")
def test_a_node_answers_with_anybodys_weights(
    tmp_path: Path, orthanc: Orthanc, film: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), tmp_path / "own.pth")
    orthanc.store(film)
    words = ["node", "--dicomweb", orthanc.dicomweb, "--spool", str(tmp_path / "spool")]
    said = ["--model", str(tmp_path / "own.pth"), "--multi-label", "--input-size", "64"]
    assert main([*words, "--study", str(source().StudyInstanceUID), *said]) == 0
    assert len(orthanc.get("/instances")) == 1 + len(KINDS)
    assert "ImageNet statistics assumed" in capsys.readouterr().err
