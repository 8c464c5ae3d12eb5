"""What the page says and sends, without a browser."""

from __future__ import annotations

import base64
import copy
from pathlib import Path

import cv2
import gradio as gr
import numpy as np
import pytest

from cxr_gradcam import Explanation, Radiograph, ResNet50FineTuned
from cxr_gradcam.bundled import example_files
from cxr_gradcam.web.page import scope, take_example, take_upload
from cxr_gradcam.web.prediction import answer_html, percentage
from cxr_gradcam.web.viewer import hottest_region, view

RADIOGRAPH = Radiograph(np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6))


def explanation(heatmap: np.ndarray, peak: float = 1.0) -> Explanation:
    shares = {"<b>Normal": 0.004, "Pneumonia": 0.996}
    return Explanation(
        shares,
        "Pneumonia",
        heatmap.astype(np.float32),
        peak,
        "gradcam",
        ("resnet50.layer4.2.conv3",),
    )


def hot_at(row: int, column: int) -> Explanation:
    heatmap = np.zeros((4, 6))
    heatmap[row, column] = 1
    return explanation(heatmap)


def decode(png: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(png), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


def test_the_message_carries_both_images_without_loss() -> None:
    message = view(RADIOGRAPH, hot_at(3, 0), "a")
    grey = np.floor(RADIOGRAPH.pixels * 255 + 0.5)
    np.testing.assert_array_equal(decode(message["original"]), grey)
    assert decode(message["heatmap"])[3, 0] == 255


def test_the_same_image_is_not_sent_again() -> None:
    assert view(RADIOGRAPH, hot_at(0, 0), "a", same_image=True)["original"] is None


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
    assert words in hottest_region(hot_at(row, column))


def test_an_empty_map_says_so() -> None:
    empty = explanation(np.zeros((4, 6)), peak=0)
    assert "nothing that speaks for Pneumonia" in view(RADIOGRAPH, empty, "a")["note"]


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "0 %"), (0.004, "< 1 %"), (0.5, "50 %"), (0.996, "> 99 %"), (1.0, "100 %")],
)
def test_a_percentage_never_claims_certainty(probability: float, words: str) -> None:
    assert percentage(probability) == words


def test_the_answer_names_the_most_probable_class_first_and_escapes_names() -> None:
    html = answer_html(hot_at(0, 0))
    assert html.index("Pneumonia") < html.index("Normal")
    assert "<b>" not in html


def test_an_upload_is_removed_whether_it_can_be_read_or_not(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(example_files()[0].read_bytes())
    bad.write_text("no image")
    assert take_upload(str(good)).radiograph.file_format == "PNG"
    with pytest.raises(gr.Error, match="cannot be shown"):
        take_upload(str(bad))
    assert list(tmp_path.iterdir()) == []


def test_each_upload_has_an_id_of_its_own(tmp_path: Path) -> None:
    ids = set()
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(example_files()[0].read_bytes())
        ids.add(take_upload(str(tmp_path / name)).image_id)
    assert len(ids) == 2


def test_the_page_says_what_the_model_knows(shared_model: ResNet50FineTuned) -> None:
    model = copy.copy(shared_model)
    model.trained_on = "films of children"
    assert "class 0 and class 1 and class 2" in scope(model)
    assert "It was trained on films of children." in scope(model)
    assert "trained on" not in scope(shared_model)


def test_of_two_clicks_the_later_one_counts_though_it_arrives_first() -> None:
    first, second = (
        gr.SelectData(None, {"index": index, "value": clicked})
        for index, clicked in ((0, 100.0), (1, 100.5))
    )
    session = take_example(None, second)
    assert take_example(session, first) is session
    assert take_example(take_example(None, first), second).clicked == 100.5
