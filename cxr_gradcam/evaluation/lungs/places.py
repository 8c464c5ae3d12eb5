"""Places of maps: whether the part of the chest tells right answers from wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from cxr_gradcam.anatomy.outline import outline_lungs
from cxr_gradcam.anatomy.zones import LUNG_ZONES, Place, locate
from cxr_gradcam.data.patients import print_notes
from cxr_gradcam.data.selection import LabelledRadiograph, Selection, select_radiographs
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, with_intervals
from cxr_gradcam.evaluation.metrics import weighted_auc
from cxr_gradcam.explanation import examine
from cxr_gradcam.imaging.reading import read_named
from cxr_gradcam.models.classifier import Classifier


@dataclass(frozen=True)
class Called:
    """A radiograph that a model called ill, and where its map lies.

    Attributes:
        patient: the name.
        is_right: whether the finding is there.
        place: of the map; None where no plausible lungs were outlined.
    """

    patient: str
    is_right: bool
    place: Place | None

    @property
    def is_inside(self) -> bool:
        """Whether the hottest place lies in a lung or a hilum."""
        return self.place is not None and self.place.zone in LUNG_ZONES


def study(model: Classifier, selection: Selection) -> dict[str, Any]:
    """Study whether the map's place in the chest tells right answers from wrong ones.

    Args:
        model: with Grad-CAM enabled and an operating point.
        selection: the radiographs, with their reads.

    Returns:
        {"title", "about", "rows"}, the rows as of `measure_places`.

    Raises:
        ValueError: no operating point, no radiograph that is called, a folder of no class, or a
            bad table.
        RadiographError: a picture that cannot be read.
    """
    called = called_radiographs(model, selection)
    return {
        "title": "Whether the map's place tells if the answer is right",
        "about": (
            "X-rays that are called the finding. In the lungs: how often the hottest place of the "
            "Grad-CAM map is in a lung or hilum. Share in the lungs: of the map's sum, on average. "
            "AUC: how well each tells right from wrong answers; 0.5 is no better than chance. "
            f"{IN_BRACKETS} over the patients."
        ),
        "rows": measure_places(called),
    }


def called_radiographs(model: Classifier, selection: Selection) -> list[Called]:
    """Explain the radiographs that a model calls ill.

    Raises:
        ValueError, RadiographError: as `study`.
    """
    point = model.calibration.operating_point
    if point is None:
        raise ValueError("these weights have no operating point: fit one with calibrate")
    listed, notes = select_radiographs(selection, model.class_names, point.class_name)
    print_notes(notes)
    known = [each for each in listed if not each.is_other]
    console = Console(stderr=True)
    rows = [
        row
        for each in track(known, "maps in the lungs", console=console, transient=True)
        if (row := _called(model, each, point.class_name, point.threshold)) is not None
    ]
    if not rows:
        raise ValueError(
            "none of these X-rays is called the finding, so there is no map to measure: add X-rays "
            "that show it"
        )
    return rows


def _called(
    model: Classifier, labelled: LabelledRadiograph, finding: str, threshold: float
) -> Called | None:
    radiograph = read_named(str(labelled.path))
    examination = examine(model, radiograph)
    if examination.probabilities[finding] < threshold:
        return None
    heatmap = examination.explain(finding).heatmap
    is_right = model.class_names[labelled.label] == finding
    return Called(labelled.patient, is_right, locate(heatmap, outline_lungs(radiograph)))


def measure_places(called: Sequence[Called]) -> list[dict[str, Any]]:
    """Measure how the maps of right and of wrong answers lie.

    Args:
        called: of `called_radiographs`.

    Returns:
        Rows {"answers", "images", "lungs outlined", "in the lungs", "share in the lungs"} for all,
        the right and the wrong; then the AUC of both measures for right against wrong.
    """
    groups = {
        "all": list(called),
        "right": [each for each in called if each.is_right],
        "wrong": [each for each in called if not each.is_right],
    }
    rows = [_row(name, group) for name, group in groups.items() if group]
    located = [each for each in called if each.place is not None]
    if all(any(each.is_right == side for each in located) for side in (True, False)):
        rows.append(_aucs(located))
    return rows


def _row(name: str, group: Sequence[Called]) -> dict[str, Any]:
    located = [each for each in group if each.place is not None]
    row = {"answers": name, "images": len(group), "lungs outlined": len(located)}
    return row | {"in the lungs": "", "share in the lungs": ""} | _means(located)


def _means(located: Sequence[Called]) -> dict[str, Any]:
    if not located:
        return {}
    inside, share, patients = _columns(located)

    def means(weights: NDArray[np.floating]) -> dict[str, float]:
        return {
            "in the lungs": float(np.average(inside, weights=weights)),
            "share in the lungs": float(np.average(share, weights=weights)),
        }

    return with_intervals(means, patients)


def _aucs(located: Sequence[Called]) -> dict[str, Any]:
    inside, share, patients = _columns(located)
    is_right = np.array([each.is_right for each in located])

    def aucs(weights: NDArray[np.floating]) -> dict[str, float]:
        return {
            "in the lungs": weighted_auc(is_right, inside, weights),
            "share in the lungs": weighted_auc(is_right, share, weights),
        }

    row = {"answers": "AUC, right against wrong", "images": len(located)}
    return row | {"lungs outlined": len(located)} | with_intervals(aucs, patients)


def _columns(
    located: Sequence[Called],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.str_]]:
    shares = [each.place.share_in_lungs for each in located if each.place is not None]
    inside = [float(each.is_inside) for each in located]
    return np.array(inside), np.array(shares), np.array([each.patient for each in located])
