"""One explanation as PDF and as JSON: what stands in it, and what does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from pypdf import PageObject, PdfReader

from cxr_gradcam import Explanation
from cxr_gradcam.bundled import assets
from cxr_gradcam.explanation import Prediction
from cxr_gradcam.explanation.question import Question
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from cxr_gradcam.report.contents import DISCLAIMER, TITLE, Panels, Report
from cxr_gradcam.report.model import Measured, ReportedModel
from cxr_gradcam.report.pdf import write_pdf

DATE = datetime(2026, 5, 4, 3, 2, tzinfo=UTC)
MODEL = ReportedModel(
    "net", "ab" * 32, (Measured("Pneumonia", "all", 731, {"auc": (0.951, 0.934, 0.966)}),)
)


def explanation(*, ood_score: float = 0.1, size: tuple[int, int] = (50, 40)) -> Explanation:
    question = Question(
        "Pneumonia", contrast_with="Normal", layers=["layer3", "layer4"], fusion="max"
    )
    prediction = Prediction({"Normal": 0.0662, "Pneumonia": 0.9338}, ood_score=ood_score)
    heatmap = np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size)
    return Explanation(question, prediction, heatmap, 2.0)


def report(title: str = "", remark: str = "", **settings) -> Report:
    made = explanation(**settings)
    grey = as_rgb(np.zeros_like(made.heatmap))
    laid = overlay(grey, made.heatmap)
    panels = Panels(grey, colorize(made.heatmap), laid, "Lungs")
    return Report(made, MODEL, panels, title, remark, DATE)


def text_of(pdf: bytes) -> str:
    """The text that can be selected, with one space for any white space."""
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())


def drawn(page: PageObject) -> list[tuple[NDArray[np.uint8], tuple[float, float]]]:
    """The three panels in their order: pixels, and width and height on the paper in points."""
    found = []

    def see(operator, operands, matrix, _text_matrix) -> None:
        if operator == b"Do":
            pixels = np.asarray(page.images[operands[0]].image)
            found.append((pixels, (matrix[0], matrix[3])))

    page.extract_text(visitor_operand_before=see)
    return found[:3]


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
    with pytest.raises(ValueError, match=f"the {name} has .* shorten it"):
        report(**{name: "w" * (most + 1)})


@pytest.mark.parametrize(("paper", "size"), [("a4", (210, 297)), ("letter", (215.9, 279.4))])
@pytest.mark.parametrize("shape", [(50, 40), (900, 60), (60, 900)])
def test_three_panels_of_300_dpi_fit_on_the_paper(
    paper: str, size: tuple[float, float], shape: tuple[int, int]
) -> None:
    (page,) = PdfReader(BytesIO(write_pdf(report(size=shape), paper))).pages
    width, height = (float(side) / 72 * 25.4 for side in page.mediabox[2:])
    assert (width, height) == pytest.approx(size, abs=0.1)
    panels = drawn(page)
    for image, (across, down) in panels:
        assert image.shape[1] / across * 72 == pytest.approx(300, rel=1e-3)
        assert image.shape[0] / down * 72 == pytest.approx(300, rel=1e-3)
    assert len({image.shape[:2] for image, _ in panels}) == 1
    assert 3 * panels[0][1][0] < float(page.mediabox[2])


def test_pixels_that_are_as_fine_as_the_page_stay_what_they_are() -> None:
    (page,) = PdfReader(BytesIO(write_pdf(report(size=(50, 40))))).pages
    fine = report(size=drawn(page)[0][0].shape)
    (page,) = PdfReader(BytesIO(write_pdf(fine))).pages
    (original, _), (heatmap, _), (laid, _) = drawn(page)
    np.testing.assert_array_equal(original, fine.panels.original[..., 0])
    np.testing.assert_array_equal(heatmap, fine.panels.heatmap)
    np.testing.assert_array_equal(laid, fine.panels.overlay)


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
