"""The model card: every figure comes from the weights or from a stored result."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCardData

from cxr_gradcam.bundled import assets, bundled_checkpoint
from cxr_gradcam.evaluation.intervals import markdown_table
from cxr_gradcam.evaluation.model_card import (
    front_matter,
    model_card,
    model_card_file,
    write_card,
)
from cxr_gradcam.models.calibration import Calibration, OperatingPoint
from cxr_gradcam.models.checkpoint import Checkpoint
from cxr_gradcam.models.preprocessing import Preprocessing

CARD = Path(__file__).parents[2] / "docs" / "model-card.md"
FIGURE = {"value": 0.9, "low": 0.85, "high": 0.951}


def checkpoint(calibration: Calibration) -> Checkpoint:
    training = {"source": "drawn noise", "recipe": {"learning_rate": 3e-4}, "training_images": 8}
    return Checkpoint({}, ("Normal", "Pneumonia"), Preprocessing(), training, calibration)


def test_the_card_in_the_documents_is_up_to_date() -> None:
    assert CARD.read_text("utf-8") == model_card_file(), "run `python -m cxr_gradcam model-card`"


def test_the_stored_results_are_of_the_bundled_weights() -> None:
    weights = sha256(bundled_checkpoint().read_bytes()).hexdigest()
    results = sorted((assets() / "results").glob("*.json"))
    assert len(results) >= 5
    for path in results:
        assert json.loads(path.read_text("utf-8"))["weights_sha256"] == weights, path.name
    assert f"`{weights}`" in CARD.read_text("utf-8")


def test_a_table_shows_figures_with_their_intervals() -> None:
    table = markdown_table([{"method": "Grad-CAM", "hit rate": FIGURE, "cases": 40}])
    assert table.splitlines() == [
        "| method | hit rate | cases |",
        "| --- | --- | --- |",
        "| Grad-CAM | 0.900 (0.850 to 0.951) | 40 |",
    ]


def test_the_decision_is_that_of_the_weights() -> None:
    point = OperatingPoint("Pneumonia", threshold=0.421, unlikely_below=0.1, likely_from=0.8)
    card = write_card(checkpoint(Calibration(1.25, point)), {})
    for said in ("1.25", "42.1%", "10.0%", "80.0%", "drawn noise", "0.0003"):
        assert said in card
    assert "not calibrated" in write_card(checkpoint(Calibration()), {})


def test_the_card_says_how_finely_the_model_looks() -> None:
    looks = Checkpoint({}, ("Normal", "Pneumonia"), Preprocessing(size=96), {}, Calibration())
    assert "96 x 96 pixels" in write_card(looks, {})


def test_results_become_sections() -> None:
    evaluation = {
        "findings": {
            "Pneumonia": {
                "groups": {
                    "all": {"images": 12, "with_finding": 3, "auc": FIGURE},
                    "virus": {"images": 5},
                },
                "verdicts": {
                    "all": {
                        "likely": {"images": 3, "with_finding": 2},
                        "uncertain": {"images": 8, "with_finding": 1},
                        "unlikely": {"images": 1, "with_finding": 0},
                    }
                },
                "source_auc": {"here": FIGURE},
            }
        }
    }
    maps = {"title": "The maps", "about": "On noise.", "rows": [{"method": "chance", "n": 1}]}
    card = write_card(checkpoint(Calibration()), {"children": evaluation, "maps": maps})
    assert "### Pneumonia on X-rays of children" in card
    assert "| X-rays | 12 | 5 |" in card
    assert "| AUC | 0.900 (0.850 to 0.951) |  |" in card
    assert "| likely | 3 (2) |" in card
    assert "25% show the finding" in card
    assert "### The maps\n\nOn noise.\n\n| method | n |" in card


def test_the_front_matter_is_what_the_hub_reads() -> None:
    groups = {"all": {"images": 12, "auc": FIGURE}}
    results = {"children": {"findings": {"Pneumonia": {"groups": groups}}}, "maps": {"rows": []}}
    read = ModelCardData(**yaml.safe_load(front_matter(checkpoint(Calibration()), results)))
    assert read.license == "apache-2.0"
    assert "pneumonia" in read.tags
    (measured,) = read.to_dict()["model-index"][0]["results"]
    assert measured["metrics"] == [{"type": "auc", "value": 0.9}]


def test_the_page_shows_no_front_matter() -> None:
    assert model_card().startswith("# ")
    assert model_card_file().startswith("---\n")
    assert model_card_file().endswith(model_card())


def test_limits_and_licences_travel_with_the_weights() -> None:
    named = {"limits": ["Only noise was seen."], "licences": ["Noise is free."]}
    weights = Checkpoint({}, ("Normal", "Pneumonia"), Preprocessing(), named)
    card = write_card(weights, {})
    assert "- Only noise was seen.\n" in card
    assert "- Noise is free.\n" in card
    assert "mined" not in card
    assert "mined from reports" in write_card(checkpoint(Calibration()), {})


@pytest.mark.parametrize("word", ["learning_rate", "None"])
def test_no_word_of_the_code_is_on_the_card(word: str) -> None:
    assert word not in model_card()
