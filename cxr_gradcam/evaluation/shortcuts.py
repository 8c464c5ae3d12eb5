"""Shortcuts: what an answer tells besides the finding, measured on radiographs without it.

Where the ill lay at another machine, in another projection or at another age than the healthy, a
model can learn these for the finding (Zech et al., PLOS Medicine 2018; DeGrave et al., Nature
Machine Intelligence 2021). On radiographs without the finding its probability should tell none of
them, nor should it change with a border, a marker, the size or the compression of a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.data.cases import evenly_spaced
from cxr_gradcam.data.reads import AGE_GROUPS
from cxr_gradcam.data.selection import LabelledRadiograph, Selection, select_radiographs
from cxr_gradcam.evaluation.classification import Grey, logits_of
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, Estimate, mean_intervals, with_intervals
from cxr_gradcam.evaluation.metrics import weighted_auc
from cxr_gradcam.explanation.question import find_class
from cxr_gradcam.models.classifier import Classifier

BORDER = 0.06
"""Width of the black border, as a share of the side."""
QUALITY = 40
"""Of the JPEG, out of 100."""
SMALL = 112
"""Side of the small form in pixels."""


def study(
    model: Classifier,
    data: Sequence[Path],
    count: int,
    reads: Sequence[Path] = (),
    only: Path | None = None,
) -> dict[str, Any]:
    """Study what can be read from a model's answer on radiographs without the finding.

    Args:
        model: the classifier.
        data: folders with one folder of radiographs per class; several sources are compared.
        count: of the radiographs of each source, at most.
        reads: tables with projection and age, as of `Selection`.
        only: a CSV of the patients that count, as of `Selection`.

    Returns:
        {"title", "about", "rows"}, the rows as of `measure_shortcuts`.

    Raises:
        ValueError: no radiograph without the finding, a folder of no class, or a bad table.
        RadiographError: a picture that cannot be read.
    """
    films = radiographs_without_finding(model, Selection(data, reads, only), count)
    return {
        "title": "Whether the answer tells what it should not",
        "about": (
            f"{len(films)} X-rays without the finding. AUC: how well the probability tells those "
            "named from the others, or a picture's changed form from the one that was read; 0.5 is "
            "not at all, above it they are called ill more easily. Difference: mean change of the "
            f"probability from form to form. {IN_BRACKETS} over patients."
        ),
        "rows": measure_shortcuts(model, films),
    }


def radiographs_without_finding(
    model: Classifier, selection: Selection, count: int
) -> list[LabelledRadiograph]:
    """List radiographs without the finding, spread evenly over each source.

    Args:
        model: names the classes; the first one is that of no finding.
        selection: from which folders.
        count: of each source, at most.

    Raises:
        ValueError: there is none, or as of `select_radiographs`.
    """
    last = len(model.class_names) - 1
    films = select_radiographs(selection, lambda name: find_class(model.class_names, name), last)
    healthy = [film for film in films if film.label == 0 and not film.is_other]
    if not healthy:
        raise ValueError(f"no X-ray is {model.class_names[0]}: shortcuts are measured on these")
    chosen = []
    for source in dict.fromkeys(film.source for film in healthy):
        members = [film for film in healthy if film.source == source]
        chosen += [members[index] for index in evenly_spaced(len(members), count)]
    return chosen


def measure_shortcuts(
    model: Classifier, films: Sequence[LabelledRadiograph]
) -> list[dict[str, Any]]:
    """Measure what the probability of the finding tells besides it.

    Args:
        model: the classifier; its finding is the last class.
        films: radiographs without the finding, at least one.

    Returns:
        Rows {"what", "images", "AUC", "difference"}: one per source, projection and age group that
        is not that of all radiographs whose own is known, then one per form of `forms`. "AUC" with
        its 95 % interval over patients; "difference" is "" where no two forms are compared.
    """
    paths = [film.path for film in films]
    patients = np.array([film.patient for film in films])
    before = _finding(model, paths)
    rows: list[dict[str, Any]] = []
    for name, of, known in _groups(films):
        auc = _auc(of[known], before[known], patients[known])
        rows.append({"what": name, "images": int(of.sum()), "AUC": auc, "difference": ""})
    for name, change in forms().items():
        after = _finding(model, paths, change)
        is_changed = np.arange(2 * len(films)) >= len(films)
        auc = _auc(is_changed, np.concatenate([before, after]), np.tile(patients, 2))
        change_of = mean_intervals(np.abs(after - before)[:, None], ("difference",))
        rows.append({"what": name, "images": len(films), "AUC": auc} | change_of)
    return rows


def forms() -> dict[str, Callable[[Grey], Grey]]:
    """Return the changes that a picture without the finding should stand, by name.

    Returns:
        Functions from grey values (H, W) in [0, 1] to others.
    """
    return {
        f"JPEG of quality {QUALITY}": compressed,
        f"{SMALL} x {SMALL} pixels": small,
        "black border": bordered,
        "white marker": marked,
        "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    }


def compressed(pixels: Grey) -> Grey:
    """Return grey values (H, W) after JPEG compression."""
    grey = (pixels * 255).round().astype(np.uint8)
    _, data = cv2.imencode(".jpg", grey, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))
    return decoded.astype(np.float32) / np.float32(255)


def small(pixels: Grey) -> Grey:
    """Return grey values (H, W) as a square of `SMALL` pixels."""
    return np.asarray(cv2.resize(pixels, (SMALL, SMALL), interpolation=cv2.INTER_AREA))


def bordered(pixels: Grey) -> Grey:
    """Return grey values (H, W) with a black border over their outermost part."""
    height, width = (max(1, round(BORDER * side)) for side in pixels.shape)
    inside: Grey = np.zeros_like(pixels)
    inside[height:-height, width:-width] = pixels[height:-height, width:-width]
    return inside


def marked(pixels: Grey) -> Grey:
    """Return grey values (H, W) with a white letter in the upper right corner."""
    height, width = pixels.shape
    scale = min(height, width) / 224
    place = (round(0.87 * width), round(0.14 * height))
    stroke = max(1, round(3 * scale))
    letter = np.zeros(pixels.shape, np.uint8)  # OpenCV writes on bytes alone
    cv2.putText(letter, "L", place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, stroke)
    return np.maximum(pixels, letter.astype(np.float32) / 255)


def _finding(
    model: Classifier,
    paths: Sequence[Path],
    change: Callable[[Grey], Grey] | None = None,
) -> NDArray[np.floating]:
    """Return the calibrated probability (N,) of the finding."""
    logits = logits_of(model, paths, change)
    return np.asarray(model.calibration.probabilities(logits, model.multi_label)[:, -1])


def _groups(
    films: Sequence[LabelledRadiograph],
) -> list[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return names of groups, which films are of each, and of which that is known."""
    columns = {
        "source ": np.array([film.source for film in films]),
        "projection ": np.array([film.read.view for film in films]),
        "age ": np.array([film.read.age_group for film in films]),
    }
    groups = []
    for title, column in columns.items():
        names = [name for name in dict.fromkeys((*AGE_GROUPS, *sorted(column))) if name in column]
        named = [name for name in names if name]
        # of two groups, one says all of the other too
        for name in named if len(named) > 2 else named[: len(named) - 1]:
            groups.append((title + name, column == name, column != ""))
    return groups


def _auc(
    of: NDArray[np.bool_], probability: NDArray[np.floating], patients: NDArray[np.str_]
) -> Estimate:
    def auc(weights: NDArray[np.floating]) -> dict[str, float]:
        return {"auc": weighted_auc(of, probability, weights)}

    return with_intervals(auc, patients)["auc"]
