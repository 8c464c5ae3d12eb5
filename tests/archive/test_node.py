"""The node as others see it: dcmtk and pynetdicom send, a real archive receives."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    Comprehensive3DSRStorage,
    SecondaryCaptureImageStorage,
)

from cxr_gradcam import Explanation, RadiographError
from cxr_gradcam.archive.destination import Destination, SendError, StoreDestination
from cxr_gradcam.archive.identity import Algorithm
from cxr_gradcam.archive.node import Node, RetrySchedule
from cxr_gradcam.archive.receiver import Caller, Limits
from cxr_gradcam.archive.results import (
    KINDS,
    ResultMaker,
    make_results,
    result_maker,
    write_object,
)
from cxr_gradcam.archive.source import IMAGE_CLASSES, read_source
from cxr_gradcam.archive.spool import Spool
from cxr_gradcam.explanation.question import Question
from tests.archive.servers import Orthanc, free_port, need, run
from tests.archive.sources import PATIENT, bare_source, file_of, source
from tests.helpers.patience import PATIENCE, wait_until


@pytest.fixture(scope="session")
def maker(explanation: Explanation, algorithm: Algorithm) -> ResultMaker:
    """What answers every image with the map of one: quick, and still DICOM of that image."""

    def maker(data: bytes) -> Mapping[str, Dataset]:
        radiograph, _ = read_source(data)
        blank = np.zeros(radiograph.pixels.shape, np.float32)
        return make_results(
            data, radiograph, dataclasses.replace(explanation, heatmap=blank), algorithm
        )

    return maker


class Box:
    """A destination that keeps what it gets, or refuses it."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.refusals: list[SendError] = []

    def send(self, files: Iterable[Path], delivered: Callable[[Path], None]) -> None:
        for path in files:
            if self.refusals:
                raise self.refusals.pop(0)
            self.taken.append(str(dcmread(path).SOPInstanceUID))
            delivered(path)


@contextmanager
def running(
    folder: Path, maker: ResultMaker, destination: Destination, **options: Any
) -> Iterator[Node]:
    options = {"first_pause": 0.05, "limits": Limits(free_bytes=0)} | options
    address = ("127.0.0.1", 0)
    node = Node(Spool(folder, "test"), maker, destination, "NODE", address, **options)
    node.start()
    try:
        yield node
    finally:
        node.stop()


def send(node: Node, *films: Dataset, title: str = "SENDER", **options: Any) -> list[Dataset]:
    """Send images over one association; the status of each."""
    entity = AE(ae_title=title)
    for film in films:
        entity.add_requested_context(film.SOPClassUID, film.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", node.port, ae_title="NODE", **options)
    assert association.is_established
    statuses = [association.send_c_store(film) for film in films]
    association.release()
    return statuses


def in_syntax(syntax: UID) -> Dataset:
    film = source(syntax.name)
    if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        film.compress(syntax, generate_instance_uid=False)
        return film
    film.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        film.PixelData = np.frombuffer(film.PixelData, "<u2").astype(">u2").tobytes()
    return film


SYNTAXES = [
    *(ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian),
    *(DeflatedExplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless),
]


def test_an_archive_gets_results_of_what_dcmtk_sends(
    tmp_path: Path, orthanc: Orthanc, bundled: Any, algorithm: Algorithm
) -> None:
    need("storescu", "echoscu")
    destination = StoreDestination(orthanc.title, "127.0.0.1", orthanc.dicom_port)
    (tmp_path / "film.dcm").write_bytes(film := file_of(source()))
    maker = result_maker(bundled, algorithm, Question())
    with running(tmp_path / "spool", maker, destination) as node:
        call = ("-aec", "NODE", "127.0.0.1", node.port)
        assert run("echoscu", *call).returncode == 0
        for _ in range(2):
            assert run("storescu", *call, tmp_path / "film.dcm").returncode == 0
        wait_until(node.is_idle)
        assert node.health().startswith("waiting=0 outgoing=0 received=1 repeated=1 refused=0")
    assert orthanc.store(film) == "Success"
    (study,) = orthanc.get("/studies")
    assert len(orthanc.get(f"/studies/{study}/instances")) == 1 + len(KINDS)
    for made in maker(film).values():
        (name,) = orthanc.find(made.SOPInstanceUID)
        stored = orthanc.request("GET", f"/instances/{name}/file").content
        assert dcmread(BytesIO(stored)) == dcmread(BytesIO(file_of(made)))


@pytest.mark.slow
def test_every_transfer_syntax_and_both_classes_are_taken(
    tmp_path: Path, maker: ResultMaker
) -> None:
    box = Box()
    films = [*(in_syntax(syntax) for syntax in SYNTAXES), bare_source()]
    with running(tmp_path, maker, box) as node:
        assert [status.Status for status in send(node, *films)] == [0] * len(films)
        wait_until(node.is_idle)
        assert node.counters["explained"] == len(films)
    assert len(box.taken) == len(films) * len(KINDS)


@pytest.mark.slow
def test_many_at_once_are_answered_each_once(tmp_path: Path, maker: ResultMaker) -> None:
    need("storescu")
    for number in range(12):
        (tmp_path / f"{number}.dcm").write_bytes(file_of(source(str(number))))
    box = Box()
    with running(tmp_path / "spool", maker, box) as node:
        words = ["storescu", "-aec", "NODE", "127.0.0.1", str(node.port)]
        senders = [
            subprocess.Popen([*words, *(str(path) for path in tmp_path.glob("*.dcm"))])
            for _ in range(4)
        ]
        assert [sender.wait(PATIENCE) for sender in senders] == [0] * 4
        wait_until(node.is_idle)
        assert node.counters["explained"] == 12
    assert len(box.taken) == len(set(box.taken)) == 12 * len(KINDS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"BodyPartExamined": "HAND"}, "'HAND'"),
        ({"BodyPartExamined": "Hand "}, "'HAND'"),
        ({"Modality": "MG"}, "Modality is 'MG'"),
        ({"PixelData": b"\0\0"}, "PixelData has 2 bytes"),
        ({"StudyInstanceUID": ""}, "no valid StudyInstanceUID"),
    ],
)
def test_what_is_no_chest_film_is_refused(
    tmp_path: Path,
    maker: ResultMaker,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, Any],
    message: str,
) -> None:
    with running(tmp_path, maker, Box()) as node, caplog.at_level(logging.DEBUG):
        (status,) = send(node, source(**change))
        assert status.Status == 0xC000
        assert status.ErrorComment
        assert node.counters["refused"] == 1
        assert node.is_idle()
    assert message in caplog.text
    for word in PATIENT:
        assert word not in caplog.text


def test_other_classes_are_not_even_negotiated(tmp_path: Path, maker: ResultMaker) -> None:
    entity = AE(ae_title="SENDER")
    entity.add_requested_context(CTImageStorage)
    entity.add_requested_context(IMAGE_CLASSES[0])
    with running(tmp_path, maker, Box()) as node:
        association = entity.associate("127.0.0.1", node.port, ae_title="NODE")
        accepted = [context.abstract_syntax for context in association.accepted_contexts]
        association.release()
    assert accepted == [IMAGE_CLASSES[0]]


def test_an_image_larger_than_the_limit_is_cut_off(tmp_path: Path, maker: ResultMaker) -> None:
    limits = Limits(image_bytes=10_000, free_bytes=0)
    with running(tmp_path, maker, Box(), limits=limits) as node:
        assert send(node, source())[0].Status == 0xC000
        huge = source("huge", np.zeros((2000, 2000), "<u2"))
        assert send(node, huge)[0].get("Status") is None  # aborted before it was there whole
        assert node.counters["refused"] == 2
        assert node.is_idle()


@pytest.mark.parametrize(
    ("limits", "option"),
    [
        (Limits(spool_bytes=1000, free_bytes=0), "--max-spool"),
        (Limits(free_bytes=2**62), "--min-free"),
    ],
)
def test_a_full_disk_is_told_and_nothing_is_acknowledged(
    tmp_path: Path,
    maker: ResultMaker,
    caplog: pytest.LogCaptureFixture,
    limits: Limits,
    option: str,
) -> None:
    with running(tmp_path, maker, Box(), limits=limits) as node:
        (status,) = send(node, source())
        assert status.Status == 0xA700
        assert option in status.ErrorComment
        assert node.is_idle()
    assert option in caplog.text


def test_a_write_that_fails_is_told_and_leaves_nothing(
    tmp_path: Path, maker: ResultMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path, maker, Box()) as node:
        with monkeypatch.context() as patched:

            def full(_: int) -> None:
                raise OSError(28, "No space left on device")

            patched.setattr(os, "fsync", full)
            assert send(node, source())[0].Status == 0xA700
        assert not list((tmp_path / "waiting").iterdir())
        assert send(node, source())[0].Status == 0


@pytest.mark.parametrize("step", ["store_results", "discard", "mark_sent"])
def test_a_disk_that_is_full_for_a_while_is_named_and_loses_nothing(
    tmp_path: Path,
    maker: ResultMaker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: str,
) -> None:
    works, failures = getattr(Spool, step), [1, 2]

    def full(self: Spool, *arguments: Any) -> None:
        if failures:
            failures.pop()
            raise OSError(28, "No space left on device")
        works(self, *arguments)

    def refuses(_: bytes) -> Mapping[str, Dataset]:
        raise RadiographError("It is no radiograph.")

    monkeypatch.setattr(Spool, step, full)
    box = Box()
    with running(tmp_path, refuses if step == "discard" else maker, box) as node:
        assert send(node, source())[0].Status == 0
        wait_until(node.is_idle)
        assert node.counters["retried"] == 2
        assert node.counters["failed"] == 0
    assert "No space left on device" in caplog.text
    assert str(tmp_path) in caplog.text
    assert len({*box.taken}) == (0 if step == "discard" else len(KINDS))


def test_one_process_uses_a_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "test")
    with pytest.raises(ValueError, match=r"another node uses the spool .*--spool"):
        Spool(tmp_path, "test")
    spool.close()
    Spool(tmp_path, "test").close()


def test_results_that_cannot_be_read_do_not_hold_up_others(
    tmp_path: Path, maker: ResultMaker, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outgoing" / "damaged").mkdir(parents=True)
    (tmp_path / "outgoing" / "damaged" / "0.dcm").write_bytes(b"Doe")
    with running(tmp_path, maker, Box(), first_pause=600) as node:
        wait_until(lambda: node.counters["retried"])
        send(node, source())
        wait_until(lambda: node.counters["sent"] == len(KINDS))
    assert "outgoing/damaged failed (InvalidDicomError)" in caplog.text


def test_a_destination_that_gives_no_association_is_told_with_what_to_check(
    tmp_path: Path,
) -> None:
    write_object(tmp_path / "a.dcm", source())
    nowhere = StoreDestination("PACS", "127.0.0.1", free_port())
    with pytest.raises(SendError, match=r"cannot be reached: check host, port"):
        nowhere.send([tmp_path / "a.dcm"], lambda _: None)
    archive = AE(ae_title="PACS")
    archive.require_calling_aet = ["SOMEBODY"]
    archive.add_supported_context(SecondaryCaptureImageStorage)
    server = archive.start_server(("127.0.0.1", 0), block=False)
    try:
        pacs = StoreDestination("PACS", "127.0.0.1", server.server_address[1])
        with pytest.raises(SendError, match=r"rejects us: check the AE titles"):
            pacs.send([tmp_path / "a.dcm"], lambda _: None)
    finally:
        server.shutdown()


def test_callers_by_title_and_address(tmp_path: Path, maker: ResultMaker) -> None:
    callers = (Caller.parse("CT1"), Caller.parse("@127.0.0.9"), Caller.parse("CR2@10.0.0.7"))
    with running(tmp_path, maker, Box(), callers=callers) as node:
        assert send(node, source(), title="CT1")[0].Status == 0
        assert send(node, source(), bind_address=("127.0.0.9", 0))[0].Status == 0
        for title in ("CR2", "SENDER"):
            entity = AE(ae_title=title)
            entity.add_requested_context(IMAGE_CLASSES[0])
            association = entity.associate("127.0.0.1", node.port, ae_title="NODE")
            assert association.is_rejected


def test_the_number_of_associations_is_limited(tmp_path: Path, maker: ResultMaker) -> None:
    entity = AE(ae_title="SENDER")
    entity.add_requested_context(IMAGE_CLASSES[0])
    limits = Limits(associations=2, free_bytes=0)
    with running(tmp_path, maker, Box(), limits=limits) as node:
        calls = [entity.associate("127.0.0.1", node.port, ae_title="NODE") for _ in range(3)]
        assert [call.is_established for call in calls] == [True, True, False]
        for call in calls[:2]:
            call.release()


def test_over_an_encrypted_connection(tmp_path: Path, maker: ResultMaker) -> None:
    certificate, key = tmp_path / "node.crt", tmp_path / "node.key"
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", key, "-out", certificate),
    ).check_returncode()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=certificate)
    box = Box()
    with running(tmp_path / "spool", maker, box, tls=server) as node:
        assert send(node, source(), tls_args=(client, "127.0.0.1"))[0].Status == 0
        wait_until(node.is_idle)
        with pytest.raises(AssertionError):
            send(node, source())
    assert len(box.taken) == len(KINDS)


def test_deliveries_are_tried_again(tmp_path: Path, maker: ResultMaker) -> None:
    box = Box()
    box.refusals = [SendError("busy"), SendError("away", concerns_all=True), SendError("busy")]
    with running(tmp_path, maker, box) as node:
        send(node, source())
        wait_until(node.is_idle)
        assert node.counters["retried"] == 3
        assert node.counters["sent"] == len(KINDS)
    assert len(box.taken) == len(set(box.taken)) == len(KINDS)


def test_what_one_archive_refuses_does_not_hold_up_the_others(
    tmp_path: Path, maker: ResultMaker
) -> None:
    box = Box()
    box.refusals = [SendError("not this one")]
    with running(tmp_path, maker, box, first_pause=600) as node:
        send(node, source("first"))
        wait_until(lambda: node.counters["retried"])
        send(node, source("second"))
        wait_until(lambda: node.counters["sent"] == len(KINDS))
        assert not node.is_idle()


def test_what_an_archive_takes_not_at_all_is_left_out(tmp_path: Path, maker: ResultMaker) -> None:
    taken: list[UID] = []

    def store(event: Event) -> int:
        taken.append(event.dataset.SOPClassUID)
        return 0x0000

    archive = AE(ae_title="PACS")
    for kind in (SecondaryCaptureImageStorage, Comprehensive3DSRStorage):
        archive.add_supported_context(kind)
    handlers = [(evt.EVT_C_STORE, store)]
    server = archive.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    pacs = StoreDestination("PACS", "127.0.0.1", server.server_address[1])
    try:
        with running(tmp_path, maker, pacs, first_pause=600) as node:
            send(node, source())
            wait_until(node.is_idle)
            assert (node.counters["left_out"], node.counters["retried"]) == (1, 0)
            assert node.counters["sent"] == len(KINDS) - 1 == len(taken)
    finally:
        server.shutdown()
    assert taken[-1] == Comprehensive3DSRStorage  # it comes after the map


def test_retries_grow_to_a_bound() -> None:
    retries = RetrySchedule(1.0)
    assert [retries.failed("a") for _ in range(11)] == [*(2.0**n for n in range(9)), 300, 300]
    assert retries.failed("b") == 1
    assert not retries.is_due("a")
    retries.succeeded("a")
    assert retries.is_due("a")
    assert retries.failed("a") == 1


def test_an_image_that_cannot_be_explained_is_kept_and_tried_at_the_next_start(
    tmp_path: Path, maker: ResultMaker, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(data: bytes) -> Mapping[str, Dataset]:
        raise RuntimeError(f"no memory for {data!r}")

    with running(tmp_path, fails, Box()) as node:
        assert send(node, source())[0].Status == 0
        wait_until(lambda: node.counters["failed"])
        assert send(node, source("b"))[0].Status == 0
        wait_until(lambda: node.counters["failed"] == 2)
    assert "RuntimeError" in caplog.text
    assert "Doe" not in caplog.text
    box = Box()
    with running(tmp_path, maker, box) as node:
        wait_until(lambda: node.counters["sent"] == 2 * len(KINDS))
    assert len(box.taken) == 2 * len(KINDS)


def test_nothing_of_the_patient_is_in_a_name_or_stays(
    tmp_path: Path, maker: ResultMaker, caplog: pytest.LogCaptureFixture
) -> None:
    box = Box()
    box.refusals = [SendError("busy")]
    with running(tmp_path, maker, box, first_pause=1) as node, caplog.at_level(logging.DEBUG):
        send(node, source())
        wait_until(lambda: node.counters["retried"])
        names = [str(path) for path in tmp_path.rglob("*")]
        wait_until(node.is_idle)
    said = " ".join([*names, caplog.text, node.health()])
    for word in (*PATIENT, str(source().SOPInstanceUID)):
        assert word not in said
    assert tmp_path.joinpath("waiting").stat().st_mode & 0o077 == 0
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) == 0


def test_listings_pass_over_what_another_thread_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main thread asks what waits while the others explain and deliver."""
    spool = Spool(tmp_path, "test")
    spool.put("a", b"image")
    (tmp_path / "outgoing" / "b").mkdir()
    stat, iterdir = Path.stat, Path.iterdir

    def gone(self: Path, **options: Any) -> os.stat_result:
        if self.name == "a.dcm":
            self.unlink(missing_ok=True)
        return stat(self, **options)

    def removed(self: Path) -> Iterator[Path]:
        if self.name == "b":
            shutil.rmtree(self, ignore_errors=True)
        return iterdir(self)

    monkeypatch.setattr(Path, "stat", gone)
    monkeypatch.setattr(Path, "iterdir", removed)
    assert spool.waiting() == []
    assert spool.outgoing() == {}
