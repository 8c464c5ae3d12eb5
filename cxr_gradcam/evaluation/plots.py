"""The report of an evaluation: a folder with figures as JSON and curves as PNG."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    confusion_matrix,
)

from cxr_gradcam.evaluation.metrics import BINS, BinaryPredictions
from cxr_gradcam.evaluation.predictions import Predictions

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#777777"  # Okabe & Ito: for colour blindness
_SIZE = (5.0, 5.0)


def write_report(folder: Path, predictions: Predictions, summary: dict[str, Any]) -> list[Path]:
    """Write the figures and draw the curves of each finding.

    Args:
        folder: the folder, which is made if it does not exist; an earlier report is replaced.
        predictions: the predictions; names of files and patients are not written.
        summary: what `summarize` returned for these predictions.

    Returns:
        The files: figures.json, and per finding ROC and precision-recall curve, reliability
        diagram and confusion matrix as PNG.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = folder / "figures.json"
    numbers.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    written = [numbers]
    for finding in predictions.findings:
        cases = predictions.cases(finding)
        figures = summary["findings"][finding]["groups"]["all"]
        for name, draw in _DRAWINGS.items():
            path = folder / f"{finding.lower().replace(' ', '-')}-{name}.png"
            _draw(path, f"{finding}, {len(cases.actual)} X-rays", cases, figures, draw)
            written.append(path)
    return written


_Draw = Callable[[Axes, BinaryPredictions, dict[str, Any]], None]


def _draw(
    path: Path, title: str, cases: BinaryPredictions, figures: dict[str, Any], draw: _Draw
) -> None:
    figure = Figure(_SIZE, layout="constrained")
    axes = figure.add_subplot()
    draw(axes, cases, figures)
    axes.set_title(title)
    figure.savefig(path, dpi=150)


def _roc(axes: Axes, cases: BinaryPredictions, figures: dict[str, Any]) -> None:
    if "auc" not in figures:
        _nothing(axes)
        return
    auc = figures["auc"]
    label = f"AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    RocCurveDisplay.from_predictions(cases.actual, cases.probability, ax=axes, name=label)
    axes.get_lines()[0].set(color=_BLUE, label=label)
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1)
    point = 1 - figures["specificity"]["value"], figures["sensitivity"]["value"]
    axes.plot(*point, "o", color=_ORANGE, label="as the finding is called")
    axes.set(xlabel="1 - specificity", ylabel="sensitivity")
    axes.legend(loc="lower right")


def _precision_recall(axes: Axes, cases: BinaryPredictions, figures: dict[str, Any]) -> None:
    if "auc" not in figures:
        _nothing(axes)
        return
    PrecisionRecallDisplay.from_predictions(cases.actual, cases.probability, ax=axes)
    axes.get_lines()[0].set(color=_BLUE)
    prevalence = cases.actual.mean()
    axes.axhline(prevalence, color=_GREY, linestyle="--", linewidth=1)
    axes.set(xlabel="sensitivity", ylabel="positive predictive value", ylim=(0, 1.02))


def _reliability(axes: Axes, cases: BinaryPredictions, figures: dict[str, Any]) -> None:
    for when, error, probability, color, mark in (
        ("before", "ece_uncalibrated", cases.uncalibrated, _ORANGE, "s"),
        ("after", "ece", cases.probability, _BLUE, "o"),
    ):
        share, said = calibration_curve(cases.actual, probability, n_bins=BINS)
        label = f"{when} temperature scaling, error {figures[error]['value']:.3f}"
        axes.plot(said, share, marker=mark, color=color, label=label)
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1)
    axes.set(xlabel="probability said", ylabel="share that has the finding", aspect="equal")
    axes.legend(loc="upper left", fontsize="small")


def _confusion(axes: Axes, cases: BinaryPredictions, _figures: dict[str, Any]) -> None:
    matrix = confusion_matrix(cases.actual, cases.called, labels=[False, True])
    display = ConfusionMatrixDisplay(matrix, display_labels=("without", "with"))
    display.plot(cmap="Blues", colorbar=False, ax=axes)
    axes.set(xlabel="called", ylabel="known")


def _nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "all X-rays are of one class:\nno curve", ha="center", va="center")


_DRAWINGS: dict[str, _Draw] = {
    "roc": _roc,
    "precision-recall": _precision_recall,
    "reliability": _reliability,
    "confusion": _confusion,
}
