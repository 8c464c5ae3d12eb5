"""Pictures that wait to be fetched: for some minutes, and up to some bytes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from cxr_gradcam.web import expiring_store
from cxr_gradcam.web.api.arguments import ArgumentError
from cxr_gradcam.web.api.files import PictureFiles, received
from cxr_gradcam.web.expiring_store import expiring
from cxr_gradcam.web.uploads import Uploads
from tests.helpers.patience import wait_until
from tests.helpers.threads import in_thread

PICTURE = {"overlay": np.zeros((4, 4, 3), np.uint8)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


def test_a_picture_goes_when_its_time_is_over(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(expiring_store, "_SWEEP", 0.01)

    async def run() -> None:
        files = PictureFiles(seconds=0.05)
        async with expiring(files.store):
            [described] = files.put(PICTURE)
            assert Path(described["path"]).exists()
            await asyncio.to_thread(wait_until, lambda: not any(folder.iterdir()))

    in_thread(asyncio.run, run())


def test_all_go_when_the_page_stops(folder: Path) -> None:
    async def run() -> None:
        files = PictureFiles()
        async with expiring(files.store):
            files.put(PICTURE)
            files.put(PICTURE)

    in_thread(asyncio.run, run())
    assert not any(folder.iterdir())


def test_the_oldest_go_first_where_there_is_no_room(folder: Path) -> None:
    files = PictureFiles(max_bytes=1)
    first, second = (files.put(PICTURE)[0]["path"] for _ in range(2))
    assert not Path(first).exists()
    assert Path(second).exists()
    assert len([*folder.iterdir()]) == 1


@pytest.mark.parametrize(
    "form", ["{}", "/gradio_api/file={}", "http://127.0.0.1/gradio_api/file={}"]
)
def test_an_upload_that_was_used_says_so(tmp_path: Path, form: str) -> None:
    used = form.format(tmp_path / ("0f" * 16))
    with pytest.raises(ArgumentError, match=r"no longer here.* Upload it again"):
        received(used, Uploads())
