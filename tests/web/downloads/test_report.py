"""Reports from the page: what the browser sends is judged, and put into the report."""

from __future__ import annotations

import json
from base64 import b64encode
from io import BytesIO
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cxr_gradcam import Explanation, ResNet50FineTuned, explain, read_radiograph
from cxr_gradcam.web.downloads.report import ReportDownload
from tests.archive.sources import PATIENT, file_of, source


@pytest.fixture(scope="module")
def explanation(bundled: ResNet50FineTuned) -> Explanation:
    return explain(bundled, read_radiograph(file_of(source())))


@pytest.fixture(scope="module")
def download(bundled: ResNet50FineTuned) -> ReportDownload:
    with gr.Blocks():
        return ReportDownload({"bundled": bundled})


def panel(grey: int) -> str:
    file = BytesIO()
    Image.fromarray(np.full((6, 4), grey, np.uint8)).save(file, "PNG")
    return b64encode(file.getvalue()).decode()


def form(**changes: Any) -> str:
    heat = {"opacity": 40, "style": "fading", "threshold": 25, "colormap": "viridis"}
    window = {"low": 0.1, "high": 0.6, "inverted": True}
    panels = {"original": panel(10), "heat-map": panel(20), "overlay": panel(30)}
    return json.dumps(
        {
            "title": "Case 7",
            "remark": "one\r\ntwo",
            "paper": "a4",
            "settings": heat | {"window": window},
            "panels": panels,
        }
        | changes
    )


def fetched(download: ReportDownload, name: str) -> bytes:
    client = TestClient(Starlette(routes=download.routes))
    sent = client.get(f"/reports/{name}")
    assert sent.status_code == 200
    assert client.get(f"/reports/{name}").status_code == 404
    return sent.content


def test_the_panels_and_what_was_typed_are_printed(
    download: ReportDownload, explanation: Explanation
) -> None:
    pdf = fetched(download, download.put(form(), "bundled", explanation))
    page = PdfReader(BytesIO(pdf)).pages[0]
    text = " ".join(page.extract_text().split())
    for said in (
        "Case 7",
        "one two",
        "From 10 to 60 % of what the model saw, inverted",
        "opacity 40 % where the map is strongest, fading",
        "nothing below 25 % of the map's maximum",
        "colour map viridis",
    ):
        assert said in text
    greys = {int(np.asarray(image.image).max()) for image in page.images}
    assert {10, 20, 30} <= greys
    assert not any(word in f"{text} {PdfReader(BytesIO(pdf)).metadata}" for word in PATIENT)


def test_as_json_without_pictures(download: ReportDownload, explanation: Explanation) -> None:
    name = download.put(form(paper="json", panels=None), "bundled", explanation)
    made = json.loads(fetched(download, name))
    assert made["remark"] == "one\ntwo"
    assert made["model"]["checksum"]
    assert made["probabilities"] == explanation.probabilities


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "x" * 201},
        {"paper": "a0"},
        {"settings": {"opacity": 101, "colormap": "jet"}},
        {"settings": {"opacity": "<b>", "colormap": "jet"}},
        {"settings": {"opacity": 50, "colormap": "../jet"}},
        {"panels": {"original": "no base64!", "heat-map": "", "overlay": ""}},
        {"panels": {"original": b64encode(b"no PNG").decode()}},
    ],
)
def test_what_no_page_sends_is_refused(
    download: ReportDownload, explanation: Explanation, changes: dict[str, Any]
) -> None:
    with pytest.raises((ValueError, KeyError, OSError)):
        download.put(form(**changes), "bundled", explanation)
