"""Localization: how well the maps find a lesion of known position.

The measures are those of CheXlocalize (Saporta et al., Nature Machine Intelligence 2022): hit rate
and intersection over union; and the share of the map inside the lesion (energy-based pointing
game, Wang et al., CVPR Workshops 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from cxr_gradcam.cam.methods import METHODS, SLOWEST
from cxr_gradcam.data.cases import Case, lung_cases, phantom_cases, read_boxes
from cxr_gradcam.data.findings import require_finding
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, mean_intervals
from cxr_gradcam.explanation import examine
from cxr_gradcam.models.classifier import Classifier

THRESHOLD = 0.5
"""The share of the map's maximum above which a pixel counts as marked."""
SLOW_CASES = 10
"""The number of cases for measuring slow methods."""

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


def study(
    model: Classifier,
    count: int,
    boxes: Path | None = None,
    images: Path | None = None,
    *,
    data: Sequence[Path] = (),
    lungs: Path | None = None,
    named: str | None = None,
) -> dict[str, Any]:
    """Study how well the maps find a lesion of known position, or stay inside the lungs.

    Args:
        model: a model with Grad-CAM enabled.
        count: the greatest number of radiographs.
        boxes: a CSV of boxes (`read_boxes`); None for synthetic radiographs.
        images: the folder of the CSV's images; None for the folder of the CSV.
        data: folders of the radiographs that `lungs` was cut from.
        lungs: a folder of cut-outs (`lung_cases`); if it is given, maps are compared with the lungs
            instead of lesions.
        named: the name of the class that is the finding; None if the weights or the class names
            show it.

    Returns:
        {"title", "about", "rows"}; the rows are those of `measure_localization`.

    Raises:
        ValueError: the finding is not clear, or `read_boxes` or `lung_cases` refuses a table.
        RadiographError: an image cannot be read.
    """
    finding = require_finding(model.class_names, named or model.finding, "--localisation")
    target, title = "lesion", "How well the maps find the lesion"
    if lungs is not None:
        cases, shown = lung_cases(data, lungs, finding, count), "X-rays whose lungs are known"
        target, title = "lungs", "How well the maps stay inside the lungs"
    elif boxes is None:
        cases, shown = phantom_cases(count), "synthetic X-rays that no training has seen"
    else:
        cases = read_boxes(boxes, images or boxes.parent, finding)[:count]
        shown = "X-rays with boxes"
    left_out = " and ".join(METHODS[method].label for method in SLOWEST)
    return {
        "title": title,
        "about": (
            f"{finding} on {len(cases)} {shown}; the slow methods on the first {SLOW_CASES}, and "
            f"not to be compared with the others; {left_out} were not measured. Hit rate: "
            f"how often the hottest place lies in the {target}. mIoU: intersection over union of "
            f"the {target} and of what exceeds {THRESHOLD:.0%} of the maximum. Energy: share of "
            f"the map inside the {target}. "
            f"{IN_BRACKETS} over the X-rays. The last two rows are maps that ignore the X-ray."
        ),
        "rows": measure_localization(model, finding, cases),
    }


def measure_localization(
    model: Classifier, finding: str, cases: Sequence[Case]
) -> list[dict[str, Any]]:
    """Measure every method but `SLOWEST` at every detail, a fixed guess and a random map.

    Args:
        model: a model with Grad-CAM enabled.
        finding: the class whose maps are measured.
        cases: at least one case; each has a lesion.

    Returns:
        Rows {"method", "detail", "cases", "hit rate", "mIoU", "energy"}; the last three are means
        in [0, 1] with their 95 % bootstrap interval over the cases.
    """
    found: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    console = Console(stderr=True)
    for number, case in enumerate(track(cases, "localising", console=console, transient=True)):
        for name, heatmap in _maps(model, finding, case, slow=number < SLOW_CASES):
            found.setdefault(name, []).append(measure_map(heatmap, case.mask))
    return [
        {"method": method, "detail": detail, "cases": len(rows)}
        | mean_intervals(np.array(rows), ("hit rate", "mIoU", "energy"))
        for (method, detail), rows in found.items()
    ]


def measure_map(heatmap: Map, mask: Mask) -> tuple[float, float, float]:
    """Compare a map with a lesion.

    Args:
        heatmap: (H, W), 0 or more.
        mask: (H, W), True in the lesion.

    Returns:
        Three numbers, all 0 for an empty map: 1 if the map's first maximum lies in the lesion, else
        0; intersection over union of the lesion and the region above `THRESHOLD` of the maximum;
        the share of the map's sum inside the lesion.
    """
    peak = heatmap.max()
    if peak <= 0:
        return 0.0, 0.0, 0.0
    hit = mask[np.unravel_index(heatmap.argmax(), heatmap.shape)]
    found = heatmap > THRESHOLD * peak
    overlap = (found & mask).sum() / (found | mask).sum()
    energy = heatmap[mask].sum(dtype=np.float64) / heatmap.sum(dtype=np.float64)
    return float(hit), float(overlap), float(energy)


def lung_prior(shape: tuple[int, int]) -> Map:
    """Return a fixed guess: a Gaussian over the middle of each lung.

    The lungs of an upright frontal radiograph lie at about 30 % and 70 % of its width and 45 % of
    its height.

    Args:
        shape: height and width in pixels.
    """
    y, x = (np.linspace(0, 1, side, dtype=np.float32) for side in shape)
    sides = [np.exp(-(((x - middle) / 0.12) ** 2) / 2) for middle in (0.3, 0.7)]
    return np.outer(np.exp(-(((y - 0.45) / 0.18) ** 2) / 2), sum(sides)).astype(np.float32)


def random_map(shape: tuple[int, int], seed: int) -> Map:
    """Return a map of 7 x 7 random values, resized as maps are.

    Args:
        shape: height and width in pixels.
        seed: seed of the random values.
    """
    values = np.random.default_rng(seed).random((7, 7), dtype=np.float32)
    return np.asarray(cv2.resize(values, shape[::-1], interpolation=cv2.INTER_LINEAR))


def _maps(
    model: Classifier, finding: str, case: Case, *, slow: bool
) -> Iterator[tuple[tuple[str, str], Map]]:
    known = model.detail
    examination = examine(model, case.radiograph, max(known.values(), key=len))
    for method, how in METHODS.items():
        if method in SLOWEST or (how.is_slow and not slow):
            continue
        has_layers = how.kind != "full gradient"
        details = known if has_layers and not how.is_slow else {"coarse": known["coarse"]}
        for detail, layers in details.items():
            yield (method, detail), examination.explain(finding, method, layers=layers).heatmap
    yield ("middle of the lungs", ""), lung_prior(case.mask.shape)
    yield ("chance", ""), random_map(case.mask.shape, int(case.mask.sum()))
