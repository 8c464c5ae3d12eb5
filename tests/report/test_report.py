"""One explanation as PDF and as JSON: what stands in it, and what does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pypdf import PageObject, PdfReader

from cxr_gradcam import Explanation
from cxr_gradcam.anatomy.outline import Lungs, Outlining
from cxr_gradcam.bundled import assets
from cxr_gradcam.explanation import Prediction
from cxr_gradcam.explanation.display import DEFAULT, Display
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.imaging.rendering import as_rgb
from cxr_gradcam.report.contents import DISCLAIMER, TITLE, Panels, Report
from cxr_gradcam.report.letters import check_letters
from cxr_gradcam.report.model import Measured, ReportedModel
from cxr_gradcam.report.pdf import write_pdf

DATE = datetime(2026, 5, 4, 3, 2, tzinfo=UTC)
MODEL = ReportedModel(
    "net", "ab" * 32, (Measured("Pneumonia", "all", 731, {"auc": (0.951, 0.934, 0.966)}),)
)


def explanation(
    *, ood_score: float = 0.1, size: tuple[int, int] = (50, 40), peak: float = 2.0
) -> Explanation:
    question = Question(
        "Pneumonia", contrast_with="Normal", layers=["layer3", "layer4"], fusion="max"
    )
    prediction = Prediction({"Normal": 0.0662, "Pneumonia": 0.9338}, ood_score=ood_score)
    heatmap = np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size)
    return Explanation(question, prediction, heatmap, peak)


def test_the_place_is_named_by_the_part_of_the_chest():
    shares = np.zeros((2, 128, 128), np.float32)
    shares[0, 20:100, 15:55] = shares[1, 20:100, 75:115] = 1
    outlining = Outlining(np.zeros((8, 8), np.float32), (128, 128), "left")
    outlining.__dict__["lungs"] = Lungs(
        (128, 128), shares, np.ones((128, 128), bool), 0.0, side_is_stated=True
    )
    heatmap = np.zeros((128, 128), np.float32)
    heatmap[30, 30] = 1
    question, prediction = Question("Pneumonia"), Prediction({"Normal": 0.1, "Pneumonia": 0.9})
    upper = Explanation(question, prediction, heatmap, 1.0, outlining=outlining)
    assert upper.hottest_region == "strongest in the right lung, upper zone"
    below = Explanation(question, prediction, heatmap[::-1].copy(), 1.0, outlining=outlining)
    assert below.hottest_region == "strongest in the right lung, lower zone"
    lowest = Explanation(question, prediction, np.roll(heatmap, 90, axis=0), 1.0, None)
    assert lowest.hottest_region == "strongest in the lower third, image left"
    outside = Explanation(
        question, prediction, np.roll(heatmap, 90, axis=0), 1.0, outlining=outlining
    )
    assert outside.hottest_region == "strongest below the diaphragm"


def report(
    title: str = "", remark: str = "", display: Display = DEFAULT, **settings: Any
) -> Report:
    made = explanation(**settings)
    grey = as_rgb(np.zeros_like(made.heatmap))
    drawn = display.draw(grey, made.heatmap)
    panels = Panels(grey, drawn["heatmap"], drawn["overlay"], "Lungs", display)
    return Report(made, MODEL, panels, title, remark, DATE)


def text_of(pdf: bytes) -> str:
    """The text that can be selected, with one space for any white space."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())


Place = tuple[float, float, float, float]
"""Left and lower edge, width and height on the paper, in points."""


def drawn(page: PageObject) -> list[tuple[NDArray[np.uint8], Place]]:
    """The three panels in the order of reading: pixels and place."""
    found = []

    def see(operator, operands, matrix, _text_matrix) -> None:
        if operator == b"Do":
            pixels = np.asarray(page.images[operands[0]].image)
            found.append((pixels, (matrix[4], matrix[5], matrix[0], matrix[3])))

    page.extract_text(visitor_operand_before=see)
    return found[:3]


def overlap(a: Place, b: Place) -> bool:
    return all(a[n] < b[n] + b[n + 2] and b[n] < a[n] + a[n + 2] for n in (0, 1))


def tags(element: Any) -> Iterator[tuple[str, str]]:
    """The structure tree, from the top: kinds of elements and what describes them."""
    element = element.get_object()
    if isinstance(element, list):
        for child in element:
            yield from tags(child)
    elif isinstance(element, dict):
        if "/S" in element:
            yield element["/S"], element.get("/Alt", "")
        if "/K" in element:
            yield from tags(element["/K"])


def test_the_page_says_what_was_asked_and_answered_by_what() -> None:
    text = text_of(write_pdf(report()))
    for words in (
        TITLE,
        "Pneumonia: 93 %",
        "Pneumonia 93 %, Normal 7 %",
        "like those of the training; 40 by 50 pixels",
        "evidence for Pneumonia rather than Normal",
        "Grad-CAM",
        "layer3, layer4; joined by their max",
        "Lungs",
        "opacity 50 %; colour map jet",
        f"SHA-256 {'ab' * 32}",
        "2026-05-04 03:02 UTC",
        "0.95 (0.93 to 0.97)",
        DISCLAIMER,
    ):
        assert words in text


def test_what_the_reader_types_is_text_and_never_markup() -> None:
    title = "Größe <b>&amp; <img src='file:///etc/hosts'/>"
    pdf = write_pdf(report(title, "Übermaß ß\nΩδψ Жук\x00\x1b"))
    text = text_of(pdf)
    assert title in text
    assert "Übermaß ß Ωδψ Жук" in text
    assert len(PdfReader(BytesIO(pdf)).pages) == 1


def test_long_remarks_go_on_on_the_next_page_and_lose_no_word() -> None:
    words = [f"wörd{number}" for number in range(500)]
    pdf = write_pdf(report(remark=" ".join(words)))
    assert len(PdfReader(BytesIO(pdf)).pages) == 2
    assert {*words} <= {*text_of(pdf).split()}
    unbroken = "x" * 3000
    assert text_of(write_pdf(report(remark=unbroken))).count("x") >= 3000


@pytest.mark.parametrize(("name", "most"), [("title", 200), ("remark", 5000)])
def test_what_is_typed_has_a_limit(name: str, most: int) -> None:
    write_pdf(report(**{name: "w" * most}))
    with pytest.raises(ValueError, match=f"The {name} has .* shorten it"):
        report(**{name: "w" * (most + 1)})


@pytest.mark.parametrize(("paper", "size"), [("a4", (210, 297)), ("letter", (215.9, 279.4))])
@pytest.mark.parametrize("shape", [(50, 40), (40, 60), (900, 60), (60, 900)])
def test_three_panels_of_300_dpi_fit_on_the_paper(
    paper: str, size: tuple[float, float], shape: tuple[int, int]
) -> None:
    (page,) = PdfReader(BytesIO(write_pdf(report(size=shape), paper))).pages
    width, height = (float(side) / 72 * 25.4 for side in page.mediabox[2:])
    assert (width, height) == pytest.approx(size, abs=0.1)
    panels = drawn(page)
    for image, (left, bottom, across, down) in panels:
        assert image.shape[1] / across * 72 > 298
        assert image.shape[0] / down * 72 > 298
        assert across / down == pytest.approx(shape[1] / shape[0], rel=0.01)
        assert left > 38
        assert bottom > 38
        assert left + across < float(page.mediabox[2]) - 38
    overlaps = [(a, b) for a, b in combinations([place for _, place in panels], 2) if overlap(a, b)]
    assert not overlaps


@pytest.mark.parametrize("paper", ["a4", "letter"])
@pytest.mark.parametrize(("shape", "least"), [((50, 40), 0.3), ((40, 50), 0.2), ((10, 60), 0.15)])
def test_pictures_use_the_room_that_the_text_leaves(
    paper: str, shape: tuple[int, int], least: float
) -> None:
    (page,) = PdfReader(BytesIO(write_pdf(report(size=shape), paper))).pages
    places = [place for _, place in drawn(page)]
    area = sum(across * down for *_, across, down in places)
    assert area > least * float(page.mediabox[2]) * float(page.mediabox[3])
    assert places[2][3] == max(place[3] for place in places)  # the overlay is the largest


def test_pixels_that_are_as_fine_as_the_page_stay_what_they_are() -> None:
    (page,) = PdfReader(BytesIO(write_pdf(report(size=(50, 40))))).pages
    fine = report(size=drawn(page)[2][0].shape[:2])
    (page,) = PdfReader(BytesIO(write_pdf(fine))).pages
    original, heatmap, laid = (pixels for pixels, _ in drawn(page))
    np.testing.assert_array_equal(laid, fine.panels.overlay)
    rows, columns = heatmap.shape[:2]
    for pixels, whole in ((original, fine.panels.original[..., 0]), (heatmap, fine.panels.heatmap)):
        smaller = Image.fromarray(whole).resize((columns, rows), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(pixels, np.asarray(smaller))


def test_the_place_and_the_meaning_of_the_colours_are_said() -> None:
    text = text_of(write_pdf(report()))
    assert "The heat map is strongest in the lower third, image right: where the model" in text
    assert "0 % to 100 % of this map's maximum; overlay: opacity 50 %" in text
    lines = text_of(write_pdf(report(display=Display(style="contours", threshold=0.6))))
    assert "75% 90% of this map's maximum" in lines
    assert "50%" not in lines
    assert "The heat map is empty" in text_of(write_pdf(report(peak=0.0)))


def test_a_screen_reader_finds_language_title_order_and_pictures() -> None:
    root = PdfReader(BytesIO(write_pdf(report()))).trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert b"pdfuaid" in root["/Metadata"].get_data()
    kinds, described = zip(*tags(root["/StructTreeRoot"]), strict=True)
    for kind in ("/H1", "/P", "/Table", "/TH", "/TD"):
        assert kind in kinds
    pictures = [alt for kind, alt in zip(kinds, described, strict=True) if kind == "/Figure"]
    assert [alt.split(".")[0] for alt in pictures[:3]] == [
        "The X-ray",
        "The heat map alone",
        "The heat map over the X-ray",
    ]
    assert all(pictures)


@pytest.mark.parametrize("name", ["title", "remark"])
def test_letters_that_the_font_lacks_are_refused_by_naming_them(name: str) -> None:
    for typed, lacking in (("Right base 右下", "下 右"), ("ok 🩻", "🩻"), ("ก", "ก")):
        with pytest.raises(ValueError, match=rf"The {name} has letters .* lacks: {lacking} .*JSON"):
            write_pdf(report(**{name: typed}))
        assert typed in report(**{name: typed}).as_json()[name]
        with pytest.raises(ValueError, match=f"The {name} has letters"):
            check_letters(**{"title": "", "remark": ""} | {name: typed})


def test_a_class_whose_letters_the_font_lacks_is_refused_too() -> None:
    prediction = Prediction({"正常": 0.1, "肺炎": 0.9})
    made = report()
    made = replace(made, explanation=replace(made.explanation, prediction=prediction))
    with pytest.raises(ValueError, match=r"The report has letters .*正 炎 肺"):
        write_pdf(made)


def test_what_is_unlike_the_training_is_warned_of_first() -> None:
    text = text_of(write_pdf(report(ood_score=9.0)))
    assert text.index("Do not rely on") < text.index("Pneumonia: 93 %")
    assert "Do not rely on" not in text_of(write_pdf(report()))


def test_metadata_name_nobody() -> None:
    metadata = PdfReader(BytesIO(write_pdf(report("Jane Roe", "Jane Roe")))).metadata
    assert metadata is not None
    assert metadata.title == TITLE
    assert not metadata.author
    assert "Jane" not in str(metadata)


def test_no_other_paper() -> None:
    with pytest.raises(ValueError, match="no paper 'a5': choose from a4, letter"):
        write_pdf(report(), "a5")


def test_json_says_the_same() -> None:
    said = json.loads(json.dumps(report("Title", "Remark", ood_score=9.0).as_json()))
    assert said["title"] == "Title"
    assert said["remark"] == "Remark"
    assert said["date"] == "2026-05-04T03:02:00+00:00"
    assert said["probabilities"] == {"Normal": 0.0662, "Pneumonia": 0.9338}
    assert said["contrast_with"] == "Normal"
    assert said["is_familiar"] is False
    assert (said["width"], said["height"]) == (40, 50)
    assert said["layers"] == ["layer3", "layer4"]
    assert said["fusion"] == "max"
    assert said["window"] == "Lungs"
    assert said["model"]["measured"][0]["values"] == {"auc": [0.951, 0.934, 0.966]}
    assert said["disclaimer"] == DISCLAIMER


def test_the_bundled_weights_bring_the_figures_of_the_model_card() -> None:
    model = ReportedModel.of_weights()
    stored = json.loads(sorted((assets() / "results").glob("1-*.json"))[0].read_text("utf-8"))
    assert model.name == "cxr_resnet50"
    assert model.checksum == stored["weights_sha256"]
    first = model.measured[0]
    expected = stored["findings"][first.finding]["groups"][first.group]
    assert first.images == expected["images"]
    assert first.values["auc"] == tuple(expected["auc"][key] for key in ("value", "low", "high"))


def test_other_weights_have_no_figures(tmp_path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"others")
    assert ReportedModel.of_weights(other).measured == ()
