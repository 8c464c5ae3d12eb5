"""Evaluation: who is measured against whom, and what the report holds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.data.selection import Selection
from cxr_gradcam.evaluation.classification import evaluate, summarize
from cxr_gradcam.evaluation.plots import write_report
from cxr_gradcam.evaluation.predictions import Predictions, predict
from cxr_gradcam.models.calibration import Calibration, OperatingPoint

pytestmark = pytest.mark.usefixtures("few_resamples")

POINT = OperatingPoint("Pneumonia", threshold=0.4, unlikely_below=0.2, likely_from=0.8)


def predictions(
    sick: list[float], labels: list[int], sources: str, kinds: list[str], *, point: bool = True
) -> Predictions:
    said = torch.tensor(sick)
    logits = torch.stack([(1 - said).log(), said.log()], dim=1) * 2  # at temperature 2, as said
    return Predictions(
        ("Normal", "Pneumonia"),
        np.array(labels),
        logits,
        np.array([f"patient {index}" for index in range(len(labels))]),
        np.array(list(sources)),
        np.array(kinds),
        Calibration(2.0, POINT if point else None),
    )


@pytest.fixture
def six() -> Predictions:
    return predictions(
        [0.1, 0.5, 0.3, 0.45, 0.9, 0.15],
        [0, 0, 0, 1, 1, 1],
        "ababab",
        ["", "", "", "virus", "bacteria", "bacteria"],
    )


def test_the_finding_is_called_from_the_operating_point_on(six: Predictions) -> None:
    everybody = summarize(six)["findings"]["Pneumonia"]["groups"]["all"]
    # called: 0.5 (wrong), 0.45, 0.9; missed: 0.15
    assert everybody["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert everybody["specificity"]["value"] == pytest.approx(2 / 3)


def test_without_an_operating_point_it_is_called_from_one_half() -> None:
    plain = predictions([0.45, 0.6], [1, 1], "aa", ["", ""], point=False)
    finding = summarize(plain)["findings"]["Pneumonia"]
    assert finding["threshold"] == 0.5
    assert finding["groups"]["all"]["sensitivity"]["value"] == pytest.approx(0.5)
    assert finding["verdicts"] == {}


def test_groups_are_sources_and_kinds_against_the_healthy(six: Predictions) -> None:
    groups = summarize(six)["findings"]["Pneumonia"]["groups"]
    assert list(groups) == ["all", "source a", "source b", "bacteria", "virus"]
    assert groups["source a"]["images"] == 3
    assert (groups["bacteria"]["images"], groups["bacteria"]["with_finding"]) == (5, 2)
    assert groups["bacteria"]["auc"]["value"] == pytest.approx((3 + 1) / 6)


def test_verdicts_are_counted(six: Predictions) -> None:
    verdicts = summarize(six)["findings"]["Pneumonia"]["verdicts"]
    assert list(verdicts) == ["all", "source a", "source b", "bacteria", "virus"]
    assert verdicts["source b"] == {
        "likely": {"images": 0, "with_finding": 0},
        "uncertain": {"images": 2, "with_finding": 1},
        "unlikely": {"images": 1, "with_finding": 1},
    }
    assert verdicts["all"] == {
        "likely": {"images": 1, "with_finding": 1},
        "uncertain": {"images": 3, "with_finding": 1},
        "unlikely": {"images": 2, "with_finding": 1},
    }


def test_the_source_can_be_read_from_healthy_images_that_differ(six: Predictions) -> None:
    # healthy: a says 0.1 and 0.3, b says 0.5
    sources = summarize(six)["findings"]["Pneumonia"]["source_auc"]
    assert sources["a"]["value"] == 0
    assert sources["b"]["value"] == 1


def test_the_error_before_temperature_scaling_is_another(six: Predictions) -> None:
    everybody = summarize(six)["findings"]["Pneumonia"]["groups"]["all"]
    assert everybody["ece"]["value"] != pytest.approx(everybody["ece_uncalibrated"]["value"])


def test_three_classes_are_each_measured_against_the_rest() -> None:
    logits = torch.eye(3)[[0, 1, 2, 0]] * 3
    three = Predictions(
        ("A", "B", "C"),
        np.array([0, 1, 2, 2]),
        logits,
        np.array(list("abcd")),
        np.array(["x"] * 4),
        np.array([""] * 4),
        Calibration(),
    )
    findings = summarize(three)["findings"]
    assert list(findings) == ["A", "B", "C"]
    assert findings["C"]["threshold"] is None
    assert findings["C"]["groups"]["all"]["sensitivity"]["value"] == pytest.approx(0.5)


def test_the_report_names_no_patient(six: Predictions, tmp_path: Path) -> None:
    summary = summarize(six)
    written = write_report(tmp_path / "report", six, summary)
    assert {path.name for path in written} == {
        "figures.json",
        "pneumonia-roc.png",
        "pneumonia-precision-recall.png",
        "pneumonia-reliability.png",
        "pneumonia-confusion.png",
    }
    assert json.loads(written[0].read_text()) == summary
    assert "patient 0" not in written[0].read_text()
    for path in written[1:]:
        with Image.open(path) as picture:
            assert min(picture.size) > 500


def test_a_report_of_one_class_has_no_curve_and_does_not_fail(tmp_path: Path) -> None:
    healthy = predictions([0.1, 0.3], [0, 0], "aa", ["", ""])
    assert len(write_report(tmp_path, healthy, summarize(healthy))) == 5


def test_evaluate_reads_folders_by_the_model_s_class_names(
    model: ResNet50FineTuned, tmp_path: Path
) -> None:
    for source in ("first", "second"):
        for name in ("class_1", "CLASS_0"):
            (tmp_path / source / name).mkdir(parents=True)
            for index in range(3):
                grey = 20 * index + 10 * (source == "first") + (name == "class_1")
                file = f"person{index}_{name}.png"
                Image.new("L", (30, 40), grey).save(tmp_path / source / name / file)
    result = evaluate(model, [tmp_path / "first", tmp_path / "second"])
    groups = result["findings"]["class 1"]["groups"]
    assert [(group, row["images"]) for group, row in groups.items()] == [
        ("all", 12),
        ("source first", 6),
        ("source second", 6),
    ]
    assert groups["all"]["patients"] == 3
    assert 0 <= groups["all"]["auc"]["value"] <= 1
    assert "note: 3 patients with 12 X-rays, 4 each" in result["notes"][0]


def test_a_folder_that_is_no_class_is_refused(model: ResNet50FineTuned, tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "cats" / "1.png")
    with pytest.raises(ValueError, match="class 0, class 1"):
        evaluate(model, [tmp_path])


@pytest.fixture
def read_adults(tmp_path: Path) -> Path:
    """Two films read as an opacity, two as normal, two as something else, one by nobody."""
    folder = tmp_path / "adults"
    reads = ["lung opacity", "normal", "no lung opacity, not normal"] * 2 + [""]
    rows = ["image,age,view,read"]
    (folder / "class_0").mkdir(parents=True)
    (folder / "class_1").mkdir()
    for number, read in enumerate(reads):
        name = f"class_1/{number:08d}_000.png"
        Image.new("L", (32, 32), 40 + 20 * number).save(folder / name)
        rows.append(f'{name},{20 * number},{"AP" if number > 2 else "PA"},"{read}"')
    Image.new("L", (32, 32), 10).save(folder / "class_0" / "00000099_000.png")
    (folder / "reads.csv").write_text("\n".join(rows))
    return folder


def test_adults_are_measured_by_what_was_read(model: ResNet50FineTuned, read_adults: Path) -> None:
    model.class_names = ("Pneumonia", "class 1", "Healthy")  # no order tells the finding
    (read_adults / "class_0").rename(read_adults / "healthy")  # the last folder now
    found = predict(
        model, Selection([read_adults], [read_adults / "reads.csv"], finding="pneumonia")
    )
    assert found.labels.tolist() == [0, 2, 2, 0, 2, 2, 2]
    assert found.is_other.tolist() == [False, False, True, False, False, True, False]
    predictions_of_two = Predictions(
        ("Normal", "Pneumonia"),
        (found.labels == 0).astype(np.int64),
        found.logits[:, :2],
        found.patients,
        found.sources,
        found.kinds,
        Calibration(),
        found.reads,
    )
    groups = summarize(predictions_of_two)["findings"]["Pneumonia"]["groups"]
    sizes = {name: (group["images"], group["with_finding"]) for name, group in groups.items()}
    assert sizes == {
        "all": (5, 2),
        "AP": (2, 1),
        "PA": (2, 1),
        "60 and older": (2, 1),
        "under 40": (2, 1),
        "against other findings": (4, 2),
    }


def test_only_some_patients_may_count(
    model: ResNet50FineTuned, read_adults: Path, tmp_path: Path
) -> None:
    table = tmp_path / "only.csv"
    table.write_text("patient\n00000001\n00000099\n")
    found = predict(model, Selection([read_adults], only=table))
    assert sorted(found.patients.tolist()) == ["00000001", "00000099"]
    table.write_text("patient\n00012345\n")  # nobody here: the source is measured whole
    assert len(predict(model, Selection([read_adults], only=table)).labels) == 8
