"""Uploads: each has a copy and a name of its own, and goes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cxr_gradcam.web.uploads import UploadField, Uploads
from tests.helpers.patience import wait_until
from tests.helpers.threads import in_thread

CONTENT = b"the same film for everybody"


_FORM_TYPE = "multipart/form-data; boundary=x"
_FORM = b'--x\r\nContent-Disposition: form-data; name="files"; filename="film.png"\r\n\r\nfilm'


def _app(folder: Path, uploads: Uploads) -> Starlette:
    app = Starlette(routes=uploads.routes)
    app.uploaded_file_dir = str(folder)  # as Gradio's app has it
    return app


class Server:
    """The upload route, and the folder in which files are kept."""

    def __init__(self, folder: Path, uploads: Uploads) -> None:
        self.folder, self.client = folder, TestClient(_app(folder, uploads))

    def post(self, *names: str, content: bytes = CONTENT) -> list[Path]:
        files = [("files", (name, content)) for name in names]
        answer = self.client.post("/gradio_api/upload", files=files)
        assert answer.status_code == 200, answer.text
        return [Path(path) for path in answer.json()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, Uploads())
    with server.client:
        yield server


def test_the_same_file_twice_is_two_files(server: Server) -> None:
    [first], [second] = server.post("film.png"), server.post("film.png")
    first.unlink()
    assert second.read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["DOE^JANE.dcm", ".hidden", "a/b\\c.png", "x" * 400, "ü.png"])
def test_the_visitors_name_for_a_file_does_not_stay(server: Server, name: str) -> None:
    [kept] = server.post(name)
    assert kept.parent == server.folder
    assert len(kept.name) == 32
    assert list(server.folder.iterdir()) == [kept]


def test_several_files_at_once(server: Server) -> None:
    assert len(set(server.post("a.png", "b.png"))) == 2


def test_a_file_whose_event_never_comes_goes(tmp_path: Path) -> None:
    server = Server(tmp_path, Uploads(seconds=0.05))
    with server.client:
        [kept] = server.post("film.png")
        wait_until(lambda: not kept.exists())


def test_a_browser_can_name_only_what_was_uploaded(tmp_path: Path) -> None:
    uploads = Uploads()
    server = Server(tmp_path, uploads)
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    with server.client:
        [kept] = server.post("film.png")
        assert uploads.take(str(kept)) == kept
        assert uploads.take(str(secret)) is None
        assert uploads.take(f"{kept}/../secret") is None


def test_uploads_that_wait_fill_the_disk_up_to_a_bound(tmp_path: Path) -> None:
    server = Server(tmp_path, Uploads(max_waiting=2000))
    with server.client:
        [kept] = server.post("film.png", content=bytes(1500))
        files = [("files", ("film.png", bytes(1500)))]
        refused = server.client.post("/gradio_api/upload", files=files)
        assert refused.status_code == 503
        assert list(tmp_path.iterdir()) == [kept]
        kept.unlink()
        assert server.post("film.png", content=bytes(1500))


def test_an_upload_whose_size_nobody_knows_is_refused(server: Server) -> None:
    answer = server.client.post("/gradio_api/upload", content=iter([b"--x"]))
    assert answer.status_code == 411
    assert list(server.folder.iterdir()) == []


def test_what_is_on_its_way_counts_too(tmp_path: Path) -> None:
    """Many that begin at once find the same room."""

    async def upload(client: httpx.AsyncClient, begun: asyncio.Event) -> int:
        async def body() -> AsyncIterator[bytes]:
            yield _FORM
            await begun.wait()

        announced = {"content-length": "1500", "content-type": _FORM_TYPE}
        answer = await client.post("/gradio_api/upload", content=body(), headers=announced)
        begun.set()
        return answer.status_code

    async def run() -> list[int]:
        transport = httpx.ASGITransport(_app(tmp_path, Uploads(max_waiting=2000)))
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            begun = asyncio.Event()
            return await asyncio.gather(upload(client, begun), upload(client, begun))

    assert 503 in in_thread(asyncio.run, asyncio.wait_for(run(), 60))


def test_an_upload_that_never_ends_leaves_nothing(tmp_path: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield _FORM
        await asyncio.Event().wait()

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(_app(tmp_path, Uploads(max_waiting=2000, seconds=0.1)))
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            announced = {"content-length": "1500", "content-type": _FORM_TYPE}
            return await client.post("/gradio_api/upload", content=body(), headers=announced)

    answer = in_thread(asyncio.run, asyncio.wait_for(run(), 60))
    assert (answer.status_code, list(tmp_path.iterdir())) == (400, [])


@pytest.mark.parametrize(
    "sent",
    [
        {"path": "https://example.org/film.png", "meta": {"_type": "gradio.FileData"}},
        {"path": "/etc/passwd"},
        [[{"path": "secret", "url": None}], 1],
        {"meta": [{"path": ["film.png"]}]},
    ],
)
def test_an_event_names_no_file_but_an_upload(server: Server, sent: object) -> None:
    uploads = Uploads()
    (server.folder / "secret").write_bytes(CONTENT)
    assert not uploads.knows(sent)
    assert uploads.knows(["Normal", 0, None, {"class": "path"}])


def test_what_a_killed_process_left_goes_and_nothing_else(tmp_path: Path) -> None:
    left, folder, young, others = (
        tmp_path / name for name in ("a" * 32, "b" * 32, "c" * 32, "examples")
    )
    folder.mkdir()
    for path in (left, folder / "part", young, others):
        path.write_bytes(CONTENT)
    for path in (left, folder, others):
        os.utime(path, (0, time.time() - 601))
    Uploads(seconds=300).remove_left(tmp_path)
    assert {*tmp_path.iterdir()} == {young, others}
    Uploads().remove_left(tmp_path / "nowhere")


def test_no_form_is_refused_and_leaves_nothing(server: Server) -> None:
    broken = {"content-type": "multipart/form-data; boundary=x"}
    answer = server.client.post("/gradio_api/upload", content=b"--y nonsense", headers=broken)
    assert answer.status_code == 400
    assert list(server.folder.iterdir()) == []


def test_the_field_takes_the_last_file_and_leaves_none_of_its_own(
    server: Server, monkeypatch
) -> None:
    from gradio.data_classes import FileData, ListFiles

    kept = server.post("first.png", "last.png")
    field = UploadField(file_count="multiple")
    monkeypatch.setattr(field, "GRADIO_CACHE", str(server.folder))
    files = ListFiles(root=[FileData(path=str(path)) for path in kept])
    assert field.preprocess(files) == kept[-1]
    assert field.preprocess(ListFiles(root=[])) is field.preprocess(None) is None
    assert {*server.folder.iterdir()} == {*kept}
