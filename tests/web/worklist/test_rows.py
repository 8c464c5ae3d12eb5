"""The rows of a worklist: what is answered to a file, what is refused, and that nothing stays."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cxr_gradcam import RadiographError, ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.bundled import example_files
from cxr_gradcam.imaging.radiograph import MAX_BYTES
from cxr_gradcam.web.worklist import rows
from cxr_gradcam.web.worklist.rows import Rows, row, thumbnail
from tests.helpers.patience import PATIENCE

FILM = example_files()[0].read_bytes()


@pytest.fixture(scope="module")
def client(shared_model: ResNet50FineTuned) -> TestClient:
    return TestClient(Starlette(routes=Rows({"a model": shared_model}).routes))


def test_a_row_says_what_explain_says(client: TestClient, shared_model: ResNet50FineTuned) -> None:
    answer = client.post("/worklist/row", content=FILM).json()
    prediction = explain(shared_model, read_radiograph(FILM)).prediction
    assert answer["probabilities"] == pytest.approx(prediction.probabilities)
    assert answer["predicted_class"] == answer["answer"] == prediction.predicted_class
    assert answer["share"] == max(answer["probabilities"].values())
    assert answer["percentage"].endswith("%")


def test_a_row_names_the_finding_and_its_verdict(bundled: ResNet50FineTuned) -> None:
    answer = row(bundled, FILM)
    assert answer["answer"] == answer["finding"] == "Pneumonia"
    assert answer["verdict"] in ("likely", "uncertain", "unlikely")
    assert answer["is_familiar"] in (True, False)


@pytest.mark.parametrize(
    ("shape", "expected"), [((400, 800), (128, 64)), ((1, 900), (128, 1)), ((20, 30), (30, 20))]
)
def test_a_thumbnail_is_small_and_keeps_its_shape(shape, expected) -> None:
    pixels = np.full(shape, 0.5, np.float32)
    kind, data = thumbnail(pixels).split(",")
    assert kind == "data:image/webp;base64"
    with Image.open(BytesIO(base64.b64decode(data))) as image:
        assert image.size == expected
        assert np.asarray(image.convert("L")).mean() == pytest.approx(128, abs=2)


def test_what_cannot_be_read_says_why(client: TestClient) -> None:
    answer = client.post("/worklist/row", content=b"Jane Doe, no image").json()
    with pytest.raises(RadiographError) as error:
        read_radiograph(b"Jane Doe, no image")
    assert answer == {"error": str(error.value)}


def test_what_nobody_meant_and_is_no_picture_is_left_out(client: TestClient) -> None:
    answer = client.post("/worklist/row?named=false", content=b"a letter")
    assert answer.json() == {"skipped": "no picture"}
    assert "probabilities" in client.post("/worklist/row?named=false", content=FILM).json()


def test_a_fault_of_ours_is_one_message_without_words_of_the_file(
    client: TestClient, monkeypatch, caplog
) -> None:
    error = KeyError("Jane Doe")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(rows, "examine", fail)
    answer = client.post("/worklist/row", content=FILM).json()
    assert "went wrong on the server" in answer["error"]
    assert "Jane" not in answer["error"] + caplog.text


def test_too_large_a_file_is_refused_before_it_is_sent(client: TestClient) -> None:
    headers = {"content-length": str(MAX_BYTES + 1)}
    assert client.post("/worklist/row", content=b"", headers=headers).status_code == 413


def test_more_than_was_announced_is_refused(client: TestClient) -> None:
    headers = {"content-length": "3"}
    assert client.post("/worklist/row", content=FILM, headers=headers).status_code == 413


def test_a_size_must_be_announced(client: TestClient) -> None:
    assert client.post("/worklist/row", content=iter([FILM])).status_code == 411


def test_files_beyond_the_memory_for_them_wait_in_the_browser(
    shared_model: ResNet50FineTuned, monkeypatch
) -> None:
    begun, go_on = Event(), Event()

    def slow(*_: object) -> dict[str, str]:
        begun.set()
        assert go_on.wait(PATIENCE)
        return {"answer": "at last"}

    monkeypatch.setattr(rows, "row", slow)
    answers: list[dict[str, str]] = []
    with TestClient(
        Starlette(routes=Rows({"a model": shared_model}, max_bytes=10).routes)
    ) as client:
        first = Thread(
            target=lambda: answers.append(client.post("/worklist/row", content=FILM).json())
        )
        first.start()
        assert begun.wait(PATIENCE)
        refused = client.post("/worklist/row", content=b"12345678901")
        go_on.set()
        first.join(60)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert answers == [{"answer": "at last"}]  # though it is larger: it was alone
        assert client.post("/worklist/row", content=FILM).status_code == 200


def test_a_row_leaves_nothing_on_disk(client: TestClient, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    client.post("/worklist/row", content=FILM)
    assert list(tmp_path.iterdir()) == []
