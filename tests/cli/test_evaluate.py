"""`evaluate`, as it is typed: figures, reports and studies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cxr_gradcam.cam.methods import QUICK_METHODS
from cxr_gradcam.evaluation import localization
from cxr_gradcam.models.checkpoint import checksum
from cxr_gradcam.models.stages import DETAIL
from tests.helpers.command_line import run

pytestmark = pytest.mark.usefixtures("few_resamples")


def test_evaluate_prints_figures_and_writes_a_report(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    weights, data = trained
    report = tmp_path / "report"
    status, lines, _ = run(capsys, "evaluate", weights, data, "--json", "--report", report)
    assert (status, len(lines)) == (0, 1)
    figures = json.loads(lines[0])
    assert figures["findings"]["Pneumonia"]["groups"]["all"]["images"] == 120
    assert figures["weights_sha256"] == checksum(weights)
    assert figures == json.loads((report / "figures.json").read_text())
    assert len(list(report.glob("*.png"))) == 4
    status, lines, _ = run(capsys, "evaluate", data, "--weights", weights)
    assert status == 0
    assert any("sensitivity" in line for line in lines)


@pytest.mark.parametrize(
    "measure",
    [
        *("sanity", "shortcuts"),
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("faithfulness", "outliers")),
    ],
)
def test_evaluate_measures_maps_and_gate(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str], measure: str
) -> None:
    weights, data = trained
    arguments = ("evaluate", weights, data, f"--{measure}", "--count", 2)
    status, lines, _ = run(capsys, *arguments, "--json")
    assert status == 0
    result = json.loads(lines[-1])
    assert set(result) == {"date", "weights_sha256", "title", "about", "rows"}
    assert len({tuple(row) for row in result["rows"]}) == 1


def test_evaluate_localises_in_boxes(
    trained: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(localization, "SLOW_CASES", 0)
    weights, data = trained
    table = tmp_path / "boxes.csv"
    table.write_text("image,finding,x,y,w,h\npneumonia0.png,Pneumonia,0,0,32,32\n")
    words = ("--localisation", "--boxes", table, "--images", data / "pneumonia", "--json")
    status, lines, _ = run(capsys, "evaluate", weights, *words)
    assert status == 0
    rows = json.loads(lines[-1])["rows"]
    measured = {(row["method"], row["detail"]) for row in rows}
    assert {(method, detail) for method in QUICK_METHODS for detail in DETAIL} < measured
    assert rows[-1]["method"] == "chance"
    # the box is the whole image: a map that is not empty lies inside
    assert rows[-1]["hit rate"]["value"] == rows[-1]["energy"]["value"] == 1


def test_evaluate_wants_a_folder(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, errors = run(capsys, "evaluate", trained[0])
    assert status == 2
    assert "no folder" in errors
