"""What `gradio_client` gets from the running page is what the command line gives."""

from __future__ import annotations

import json
import logging
from hashlib import sha256
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from cxr_gradcam import explain, read_radiograph
from cxr_gradcam.cli import main
from cxr_gradcam.imaging.contours import contour_overlay
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from tests.archive.sources import file_of, source
from tests.helpers.findings import FINDINGS
from tests.web.api.conftest import Running

OF_FILES = {"file", "outputs"}
QUESTION = ["--class", "pneumonia", "--rather-than", "normal", "--method", "layercam"]


def pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path))


def on_the_command_line(capsys, *arguments: str) -> dict[str, object]:
    assert main(["explain", "--json", *arguments]) == 0
    record = json.loads(capsys.readouterr().out)
    return {key: value for key, value in record.items() if key not in OF_FILES}


def test_the_api_view_shows_the_three_endpoints_and_no_event_of_the_page(client: Client) -> None:
    shown = client.view_api(return_format="dict", all_endpoints=True)
    assert {*shown["named_endpoints"]} == {"/explain", "/classify", "/models"}
    parameters = shown["named_endpoints"]["/explain"]["parameters"]
    assert all(each["python_type"]["description"] for each in parameters)
    defaults = {each["parameter_name"]: each["parameter_default"] for each in parameters}
    assert (defaults["opacity"], defaults["method"], defaults["model"]) == (
        0.5,
        "gradcam",
        "bundled",
    )
    assert [each["parameter_name"] for each in parameters if not each["parameter_has_default"]] == [
        "file"
    ]


def test_explain_gives_the_command_lines_record(
    client: Client, xray: Path, tmp_path: Path, capsys
) -> None:
    record, *_ = client.predict(handle_file(xray), api_name="/explain")
    assert record == on_the_command_line(capsys, str(xray), "--output", str(tmp_path))


def test_explain_answers_another_question_as_the_command_line(
    client: Client, xray: Path, tmp_path: Path, capsys
) -> None:
    record, *_ = client.predict(
        handle_file(xray),
        class_name="pneumonia",
        contrast_with="normal",
        method="layercam",
        detail="finest",
        api_name="/explain",
    )
    asked = [*QUESTION, "--detail", "finest", "--output", str(tmp_path)]
    assert record == on_the_command_line(capsys, str(xray), *asked)


def test_the_pictures_have_pythons_pixels(client: Client, xray: Path, bundled) -> None:
    _, original, heatmap, laid_over = client.predict(
        handle_file(xray),
        opacity=0.3,
        colormap="viridis",
        style="fading",
        threshold=0.25,
        detail="coarse",
        api_name="/explain",
    )
    radiograph = read_radiograph(xray)
    made = explain(bundled, radiograph, layers=bundled.detail["coarse"]).heatmap
    grey = as_rgb(radiograph.pixels)
    wanted = overlay(grey, made, 0.3, "viridis", fading=True, threshold=0.25)
    np.testing.assert_array_equal(pixels(original), grey)
    np.testing.assert_array_equal(pixels(heatmap), colorize(made, "viridis"))
    np.testing.assert_array_equal(pixels(laid_over), wanted)


def test_contours_are_pythons_too(client: Client, xray: Path, bundled) -> None:
    *_, laid_over = client.predict(
        handle_file(xray), detail="coarse", style="contours", api_name="/explain"
    )
    radiograph = read_radiograph(xray)
    made = explain(bundled, radiograph, layers=bundled.detail["coarse"]).heatmap
    wanted = contour_overlay(as_rgb(radiograph.pixels), made)
    np.testing.assert_array_equal(pixels(laid_over), wanted)


def test_classify_says_what_explain_says(client: Client, xray: Path) -> None:
    answer = client.predict(handle_file(xray), api_name="/classify")
    record, *_ = client.predict(handle_file(xray), api_name="/explain")
    assert {**record, **answer} == record
    assert {"probabilities", "finding", "verdict", "is_familiar", "ood_score"} <= answer.keys()


def test_a_model_that_nobody_calibrated_has_no_verdict(client: Client, xray: Path) -> None:
    answer = client.predict(handle_file(xray), model="many", api_name="/classify")
    assert tuple(answer["probabilities"]) == FINDINGS
    assert answer["verdict"] is answer["is_familiar"] is None


def test_models_name_what_can_be_asked(client: Client) -> None:
    known = client.predict(api_name="/models")
    assert {*known["models"]} == {"bundled", "many"}
    assert known["models"]["many"]["classes"] == list(FINDINGS)
    assert not known["models"]["many"]["has_verdict"]
    assert known["models"]["bundled"]["finding"] == "Pneumonia"
    assert known["methods"]["scorecam"]["is_slow"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"class_name": "DOE^JANE"}, "class_name is one of Normal, Pneumonia"),
        ({"class_name": 3}, "class_name is a text, not 3"),
        ({"contrast_with": "Normal"}, "name the first by class_name"),
        ({"class_name": "normal", "contrast_with": "Normal"}, "the same class"),
        ({"method": "magic"}, "method is one of gradcam, "),
        ({"detail": "coarse", "model": "many", "class_name": "x" * 9999}, "class_name is one of"),
        ({"detail": "finest", "model": "many"}, "detail of this model is one of coarse"),
        ({"model": "../etc/passwd"}, "model is one of bundled, many, not '../etc/passwd'"),
        ({"opacity": 7}, "opacity is a number from 0 to 1, not 7"),
        ({"opacity": True}, "opacity is a number from 0 to 1, not True"),
        ({"threshold": -0.1}, "threshold is a number from 0 to 1, not -0.1"),
        ({"threshold": "a" * 9999}, "threshold is a number from 0 to 1, not 'aaa"),
        ({"colormap": "rainbow"}, "colormap is one of jet, "),
        ({"style": "none"}, "style is one of even, fading, contours, not 'none'"),
        ({"against": "yes"}, "against is true or false, not 'yes'"),
    ],
)
def test_an_argument_that_cannot_be_taken_is_named(
    client: Client, running: Running, xray: Path, arguments, words
) -> None:
    with pytest.raises(AppError) as refused:
        client.predict(handle_file(xray), **arguments, api_name="/explain")
    said = str(refused.value)
    assert words in said
    assert len(said) < 400
    assert "JANE" not in said
    assert str(running.folder) not in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b"no picture at all", "holds no image"),
        (b"\x89PNG\r\n\x1a\n cut short", "The PNG image cannot be decoded"),
        (b"PK\x03\x04", "This is a ZIP archive"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_without_its_name(
    client: Client, running: Running, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "DOE^JANE 19700101.dcm"
    path.write_bytes(content)
    with pytest.raises(AppError) as refused:
        client.predict(handle_file(path), api_name="/classify")
    assert words in str(refused.value)
    assert "JANE" not in str(refused.value)
    assert str(running.folder) not in str(refused.value)


@pytest.mark.parametrize("size", [None, -900, 700])
def test_a_films_patient_is_in_no_answer_and_in_no_log(
    client: Client, running: Running, tmp_path: Path, caplog, capfd, size: int | None
) -> None:
    caplog.set_level(logging.DEBUG)
    film = tmp_path / "Doe^Jane.dcm"
    film.write_bytes(file_of(source())[:size])  # whole, or cut short
    try:
        answer = json.dumps(client.predict(handle_file(film), api_name="/explain"))
    except AppError as refused:
        answer = str(refused)
    _, refusal = called(running, "classify", {"file": {"path": str(film)}})
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for said in (answer, refusal, logged, *capfd.readouterr()):
        assert "Doe" not in said
        assert "4711-77" not in said


@pytest.mark.parametrize(
    "file",
    [
        None,
        7,
        {},
        {"path": None},
        {"path": "/etc/passwd"},
        {"path": "../../etc/passwd\0.png"},
        {"path": "", "url": "http://127.0.0.1/"},
        {"path": "http://169.254.169.254/latest/meta-data"},
        {"path": "https://example.org/chest.dcm", "meta": {"_type": "gradio.FileData"}},
        "ü" * 1000,
        ["a", "b"],
    ],
)
def test_what_is_no_upload_is_refused(running: Running, file: object) -> None:
    event, said = called(running, "classify", {"file": file})
    assert event == "error"
    assert "file" in said
    assert "root:" not in said
    assert str(running.folder) not in said


def called(running: Running, endpoint: str, arguments: dict[str, object]) -> tuple[str, str]:
    """Call as curl does; return the event and its data."""
    start = f"{running.address}gradio_api/call/v2/{endpoint}"
    answer = httpx.post(start, json=arguments)
    assert answer.status_code == 200, answer.text
    lines = httpx.get(f"{start}/{answer.json()['event_id']}").text.splitlines()
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return events[-1], data[-1]


def test_an_upload_can_be_used_once(running: Running, xray: Path) -> None:
    files = {"files": ("DOE_JANE.png", xray.read_bytes())}
    [path] = httpx.post(f"{running.address}gradio_api/upload", files=files).json()
    sent = {"path": path, "meta": {"_type": "gradio.FileData"}}
    assert called(running, "classify", {"file": sent})[0] == "complete"
    event, said = called(running, "classify", {"file": sent})
    assert event == "error"
    assert path not in said


def test_nothing_that_was_sent_stays(running: Running, client: Client, xray: Path) -> None:
    client.predict(handle_file(xray), api_name="/classify")
    client.predict(handle_file(xray), api_name="/explain")
    with pytest.raises(AppError):
        client.predict(handle_file(xray), opacity=7, api_name="/explain")
    pictures = {"original.png", "heatmap.png", "overlay.png"}
    assert {path.name for path in running.files} <= pictures
    assert all(path.parent.parent == running.folder for path in running.files)


class Visitor:
    """A browser that has the page open, by what it sends."""

    def __init__(self, running: Running, session: str) -> None:
        self._api, self._session = f"{running.address}gradio_api", session
        events = httpx.get(f"{running.address}config").json()["dependencies"]
        self._numbers = {event["api_name"]: event["id"] for event in events}

    def send(self, event: str, *values: object) -> str:
        """Send an event of the page; return what the queue says last."""
        sent = {"fn_index": self._numbers[event], "session_hash": self._session, "data": values}
        httpx.post(f"{self._api}/queue/join", json=sent).raise_for_status()
        address = f"{self._api}/queue/data?session_hash={self._session}"
        with httpx.stream("GET", address) as answer:
            return next(line for line in answer.iter_lines() if "process_completed" in line)


def test_the_pages_own_events_know_no_picture_of_anybody_else(
    running: Running, client: Client, xray: Path
) -> None:
    asked = ["bundled", "Normal", "for", "gradcam", "coarse"]
    files = {"files": ("film.png", xray.read_bytes())}
    [path] = httpx.post(f"{running.address}gradio_api/upload", files=files).json()
    film = [{"path": path, "meta": {"_type": "gradio.FileData"}}]
    reader, stranger = Visitor(running, "reader"), Visitor(running, "stranger")
    assert '"heatmap":{"name"' in reader.send("open_upload", film, None, *asked)
    assert '"heatmap":{"name"' in reader.send("change_map", None, *asked)
    assert "no longer on the server" in stranger.send("change_map", None, *asked)
    assert "no longer on the server" in stranger.send("put_dicom", None, *asked)
    with pytest.raises(ValueError, match="Cannot find"):
        client.predict(*asked, api_name="/change_map")


def test_programs_that_ask_at_once_get_each_its_own_answer(
    running: Running, tmp_path: Path, xray: Path
) -> None:
    films = [xray, tmp_path / "mirrored.png"]
    Image.open(xray).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(films[1])
    client = Client(running.address, verbose=False, download_files=tmp_path)
    jobs = [
        client.submit(handle_file(films[number % 2]), detail="coarse", api_name="/explain")
        for number in range(6)
    ]
    for number, job in enumerate(jobs):
        record, original, *_ = job.result(60)
        assert record["sha256"] == sha256(films[number % 2].read_bytes()).hexdigest()
        np.testing.assert_array_equal(
            pixels(original), as_rgb(read_radiograph(films[number % 2]).pixels)
        )


@pytest.mark.parametrize("path", ["queue/join", "call/explain", "call/v2/classify", "mcp", "run/x"])
def test_a_request_that_is_too_large_is_refused(running: Running, path: str) -> None:
    address = f"{running.address}gradio_api/{path}"
    assert httpx.post(address, content=b"x" * 5_000_000).status_code == 413
    assert httpx.post(address, content=iter([b"x"])).status_code == 411


@pytest.mark.parametrize(
    ("path", "sent", "status", "said"),
    [
        ("call/v2/diagnose", {}, 404, "The endpoints are explain, classify, models."),
        ("call/diagnose", {"data": []}, 404, "The endpoints are explain, classify, models."),
        ("call/open_upload", {"data": []}, 404, "The endpoints are explain, classify, models."),
        ("run/diagnose", {"data": []}, 404, "The endpoints are explain, classify, models."),
        ("call/v2/classify", {}, 422, "classify takes a JSON object of these arguments, file in "),
        ("call/v2/classify", {"file": {}, "Doe^Jane": 1}, 422, "any case: file, model."),
        ("run/classify", {"data": []}, 500, "file is missing"),
        ("run/classify", {"data": ["Doe^Jane", None, 3]}, 500, "3 values came for 2 arguments"),
        ("run/change_map", {"data": ["Doe^Jane"]}, 500, "1 values came for "),
    ],
)
def test_a_wrong_call_is_answered_in_a_sentence_and_logged_by_none(
    running: Running, caplog, capfd, path: str, sent: dict[str, object], status: int, said: str
) -> None:
    answer = httpx.post(f"{running.address}gradio_api/{path}", json=sent)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for each in (answer.text, logged, *capfd.readouterr()):
        assert "Doe" not in each
        assert "Traceback" not in each


def test_values_that_are_left_out_are_the_defaults(running: Running, xray: Path) -> None:
    files = {"files": ("film.png", xray.read_bytes())}
    [path] = httpx.post(f"{running.address}gradio_api/upload", files=files).json()
    answer = httpx.post(f"{running.address}gradio_api/run/explain", json={"data": [{"path": path}]})
    assert answer.json()["data"][0]["method"] == "gradcam"
