"""What the viewer sends and says, without a browser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cxr_gradcam.explanation import Explanation, Prediction
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.imaging.stored_values import from_grey
from cxr_gradcam.web.sent_once import PixelStore
from cxr_gradcam.web.viewer import View, Viewer, file_name, note

PIXELS = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)


def explanation(
    heatmap: np.ndarray, peak: float = 1.0, layer: str = "resnet50.layer4.2.conv3"
) -> Explanation:
    return Explanation(
        Question("Pneumonia", layers=[layer]),
        Prediction({"Normal": 0.004, "Pneumonia": 0.996}),
        heatmap.astype(np.float32),
        peak,
    )


def hot_at(row: int, column: int) -> Explanation:
    heatmap = np.zeros((4, 6))
    heatmap[row, column] = 1
    return explanation(heatmap)


@pytest.fixture
def viewer() -> Viewer:
    return Viewer(PixelStore())


def fetched(viewer: Viewer, announced: dict[str, Any]) -> np.ndarray:
    client = TestClient(Starlette(routes=viewer.routes))
    data = client.get(f"/pixels/{announced['name']}").content
    return np.frombuffer(data, f"<u{announced['bits'] // 8}").reshape(
        announced["height"], announced["width"]
    )


def test_picture_and_map_arrive_without_loss(viewer: Viewer) -> None:
    message = viewer.postprocess(View("a", from_grey(PIXELS, 4095), hot_at(3, 0)))
    assert message is not None
    np.testing.assert_array_equal(
        fetched(viewer, message["original"]), np.rint(PIXELS * np.float32(4095))
    )
    assert fetched(viewer, message["heatmap"])[3, 0] == 255


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ("resnet50.layer4.2.conv3", "pneumonia-gradcam-layer4"),
        ("features", "pneumonia-gradcam-features"),  # torchvision's DenseNets
        ("layer4.2.conv3", "pneumonia-gradcam-layer4"),
        ("0", "pneumonia-gradcam-0"),
    ],
)
def test_a_download_is_named_after_the_layer_of_any_network(layer: str, name: str) -> None:
    assert file_name(explanation(PIXELS, layer=layer)) == name


def test_the_same_picture_is_not_sent_again(viewer: Viewer) -> None:
    message = viewer.postprocess(View("a", explanation=hot_at(0, 0)))
    assert message is not None
    assert message["original"] is None


def test_an_empty_view_names_no_picture(viewer: Viewer) -> None:
    message = viewer.postprocess(View(note="Nothing."))
    assert message == {
        "image_id": "",
        "original": None,
        "heatmap": None,
        "note": "Nothing.",
        "pane": "a",
        "caption": "",
        "same_picture": False,
        "first_caption": "",
        "link": "",
    }
    assert viewer.postprocess(None) is None


def test_the_code_comes_as_modules(viewer: Viewer) -> None:
    client = TestClient(Starlette(routes=viewer.routes))
    answer = client.get("/viewer/main.js")
    assert "javascript" in answer.headers["content-type"]
    assert "export function start" in answer.text


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (0, 0, "upper third, image left"),
        (1, 3, "upper third, centre"),
        (2, 5, "middle third, image right"),
        (3, 1, "lower third, image left"),
    ],
)
def test_the_hottest_region_in_words(row: int, column: int, words: str) -> None:
    assert words in hot_at(row, column).hottest_region


def test_an_empty_map_says_so() -> None:
    empty = explanation(np.zeros((4, 6)), peak=0)
    assert "nothing that speaks for Pneumonia" in note(empty)
