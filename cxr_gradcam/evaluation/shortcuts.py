"""Shortcuts: information other than the finding in a model's answer.

If the ill were imaged by another machine, in another projection or at another age than the healthy,
a model can learn these instead of the finding (Zech et al., PLOS Medicine 2018; DeGrave et al.,
Nature Machine Intelligence 2021). On radiographs without the finding, its probability should not
depend on source, projection or age, nor on a border, a marker, size or compression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.data.cases import evenly_spaced
from cxr_gradcam.data.findings import absence_among, findings_among
from cxr_gradcam.data.selection import LabelledRadiograph, Selection, select_radiographs
from cxr_gradcam.data.tables import AGE_GROUPS
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, Estimate, mean_intervals, with_intervals
from cxr_gradcam.evaluation.metrics import weighted_auc
from cxr_gradcam.evaluation.predictions import Grey, finding_of, logits_of
from cxr_gradcam.models.classifier import Classifier

BORDER = 0.06
"""Width of the black border, as a share of the side."""
QUALITY = 40
"""The quality of the JPEG compression, out of 100."""
SMALL = 112
"""The side of the shrunk image in pixels."""


def study(model: Classifier, selection: Selection, count: int) -> dict[str, Any]:
    """Study what a model's answer reveals on radiographs without the finding.

    Args:
        model: the classifier.
        selection: the radiographs; several sources are compared.
        count: the greatest number of radiographs of each source.

    Returns:
        {"title", "about", "rows"}; the rows are those of `measure_shortcuts` for each finding.

    Raises:
        ValueError: no radiograph is without a finding, a folder is no class, the finding is not
            clear, or a table cannot be used.
        RadiographError: a file cannot be read.
    """
    finding = finding_of(model, selection.finding)
    healthy = radiographs_without_finding(model, selection, count)
    findings = [finding] if finding else findings_among(model.class_names)
    rows = [row for name in findings for row in _named_rows(model, healthy, name, findings)]
    return {
        "title": "Whether the answer depends on source, age or borders",
        "about": (
            f"{len(healthy)} X-rays without the finding. AUC: how well the probability tells the "
            "X-rays of this row from the others, or an X-ray's changed form from the original; "
            "0.5 is not at all, above it these are called ill more easily. Difference: mean change "
            f"of the probability from form to form. {IN_BRACKETS} over patients."
        ),
        "rows": rows,
    }


def _named_rows(
    model: Classifier,
    healthy: Sequence[LabelledRadiograph],
    finding: str,
    findings: Sequence[str],
) -> list[dict[str, Any]]:
    rows = measure_shortcuts(model, healthy, finding)
    if len(findings) == 1:
        return rows
    return [row | {"what": f"{finding}: {row['what']}"} for row in rows]


def radiographs_without_finding(
    model: Classifier, selection: Selection, count: int
) -> list[LabelledRadiograph]:
    """List radiographs without a finding, spread evenly over each source.

    Args:
        model: the classifier, which has the class names.
        selection: the radiographs.
        count: the greatest number of radiographs of each source.

    Raises:
        ValueError: no class is the absence of the finding, no radiograph has this class, or
            `select_radiographs` refuses the selection.
    """
    finding = finding_of(model, selection.finding)
    absence = absence_among(model.class_names, finding)
    if absence is None:
        raise ValueError(
            f"shortcuts are measured on healthy X-rays, and none of the classes "
            f"{', '.join(model.class_names)} is called normal: name the model's classes by "
            "--classes, or the only finding by --finding"
        )
    known, _ = select_radiographs(selection, model.class_names, finding)
    label = model.class_names.index(absence)
    healthy = [each for each in known if each.label == label and not each.is_other]
    if not healthy:
        raise ValueError(
            f"no X-ray is {absence}: shortcuts are measured on these, so add a folder of them"
        )
    chosen = []
    for source in dict.fromkeys(each.source for each in healthy):
        members = [each for each in healthy if each.source == source]
        chosen += [members[index] for index in evenly_spaced(len(members), count)]
    return chosen


def measure_shortcuts(
    model: Classifier, healthy: Sequence[LabelledRadiograph], finding: str
) -> list[dict[str, Any]]:
    """Measure how far a finding's probability depends on other properties.

    Args:
        model: the classifier.
        healthy: radiographs without the finding, at least one.
        finding: the class whose probability is measured.

    Returns:
        Rows {"what", "images", "AUC", "difference"}: one for each source, projection and age group,
        unless all radiographs are of one group; then one for each of `forms`. "AUC" has a 95 %
        interval over patients. "difference" is "" if no two forms are compared.
    """
    paths = [each.path for each in healthy]
    patients = np.array([each.patient for each in healthy])
    class_idx = model.class_names.index(finding)
    before = _probability(model, paths, class_idx)
    rows: list[dict[str, Any]] = []
    for name, of, known in _groups(healthy):
        auc = _auc(of[known], before[known], patients[known])
        rows.append({"what": name, "images": int(of.sum()), "AUC": auc, "difference": ""})
    for name, change in forms().items():
        after = _probability(model, paths, class_idx, change)
        is_changed = np.arange(2 * len(healthy)) >= len(healthy)
        auc = _auc(is_changed, np.concatenate([before, after]), np.tile(patients, 2))
        change_of = mean_intervals(np.abs(after - before)[:, None], ("difference",))
        rows.append({"what": name, "images": len(healthy), "AUC": auc} | change_of)
    return rows


def forms() -> dict[str, Callable[[Grey], Grey]]:
    """Return changes of an image that should not change the answer.

    Returns:
        {name: function from grey values (H, W) in [0, 1] to changed grey values}.
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
    letter = np.zeros(pixels.shape, np.uint8)  # OpenCV writes only on bytes
    cv2.putText(letter, "L", place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, stroke)
    return np.maximum(pixels, letter.astype(np.float32) / 255)


def _probability(
    model: Classifier,
    paths: Sequence[Path],
    class_idx: int,
    change: Callable[[Grey], Grey] | None = None,
) -> NDArray[np.floating]:
    """Return the calibrated probability (N,) of a class."""
    logits = logits_of(model, paths, change)
    return np.asarray(model.calibration.probabilities(logits, model.multi_label)[:, class_idx])


def _groups(
    healthy: Sequence[LabelledRadiograph],
) -> list[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return groups: a name, the radiographs in the group, and those for which this is known."""
    columns = {
        "source ": np.array([each.source for each in healthy]),
        "projection ": np.array([each.read.view for each in healthy]),
        "age ": np.array([each.read.age_group for each in healthy]),
    }
    groups = []
    for title, column in columns.items():
        names = [name for name in dict.fromkeys((*AGE_GROUPS, *sorted(column))) if name in column]
        named = [name for name in names if name]
        # of two groups, one is enough
        for name in named if len(named) > 2 else named[: len(named) - 1]:
            groups.append((title + name, column == name, column != ""))
    return groups


def _auc(
    of: NDArray[np.bool_], probability: NDArray[np.floating], patients: NDArray[np.str_]
) -> Estimate:
    def auc(weights: NDArray[np.floating]) -> dict[str, float]:
        return {"auc": weighted_auc(of, probability, weights)}

    return with_intervals(auc, patients)["auc"]
