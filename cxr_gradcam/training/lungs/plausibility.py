"""Fit the sizes and places of lungs that are plausible in chest radiographs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cxr_gradcam.anatomy.outline import load_outliner
from cxr_gradcam.anatomy.plausibility import shape_features, shape_problem
from cxr_gradcam.data.cases import evenly_spaced
from cxr_gradcam.data.folders import list_source
from cxr_gradcam.data.held_out import held_out_patients
from cxr_gradcam.data.patients import PatientRules, tell_patients
from cxr_gradcam.imaging.reading import read_named
from cxr_gradcam.models.checkpoint import load_checkpoint, save_checkpoint
from cxr_gradcam.models.ood import OODDetector

PASS_RATE = 0.998
"""Share of each source's radiographs whose lungs must count as plausible."""
COUNT = 800
"""The greatest number of radiographs of each source."""
_LEAST_VARIANCE = 1e-5

Features = NDArray[np.float32]


def fit_plausibility(
    path: Path,
    data: Sequence[Path],
    *,
    validation_share: float,
    seed: int,
    left_out: Collection[str],
    rules: PatientRules,
) -> None:
    """Fit sizes and places of lungs to radiographs, and write them into a file of weights.

    Args:
        path: the .safetensors file of `train_lungs`.
        data: folders of radiographs, one per source; those of validation patients are not used.
        validation_share: as in `held_out_patients`.
        seed: as in `held_out_patients`.
        left_out: names of further patients that are not used.
        rules: how patients are identified.

    Raises:
        ValueError: fewer than 20 radiographs show two lungs.
    """
    sources = list[Features]()
    outliner = load_outliner(path)
    for folder in data:
        listed = list_source(folder)
        files = [file.path for file in listed]
        patients = tell_patients([listed], rules).names
        held_out = held_out_patients(patients, validation_share, seed)
        used = [
            file
            for file, patient, held in zip(files, patients, held_out, strict=True)
            if not held and patient not in left_out
        ]
        chosen = [used[index] for index in evenly_spaced(len(used), COUNT)]
        pixels = (read_named(str(file)).pixels for file in chosen)
        lungs = (outliner.outline(each, each.shape) for each in pixels)
        measured = [(shape_features(each.shares), each.size[1] / each.size[0]) for each in lungs]
        sources.append(
            np.array([row for row, aspect in measured if not shape_problem(row, None, aspect)[1]])
        )
    checkpoint = load_checkpoint(path)
    save_checkpoint(path, replace(checkpoint, ood_detector=fit_shapes(sources)))


def fit_shapes(sources: Sequence[Features]) -> OODDetector:
    """Fit one Gaussian to the measures of all sources' lungs.

    Args:
        sources: (N, K) each, at least 20 together.

    Returns:
        The detector; `PASS_RATE` of each source is within its threshold.

    Raises:
        ValueError: fewer than 20.
    """
    measured = np.concatenate(sources).astype(np.float64)
    if len(measured) < 20:
        raise ValueError(
            f"two lungs were found in {len(measured)} X-rays, and 20 at least are needed: add some"
        )
    # Each source has the same weight, however many radiographs it has.
    weights = np.concatenate([np.full(len(rows), 1 / max(len(rows), 1)) for rows in sources])
    mean = np.average(measured, axis=0, weights=weights)
    spread = np.cov(measured, rowvar=False, aweights=weights)
    variances, directions = np.linalg.eigh(spread)
    detector = OODDetector(
        mean.astype(np.float32),
        directions.T.astype(np.float32),
        variances.clip(_LEAST_VARIANCE).astype(np.float32),
        1.0,
    )
    return replace(detector, threshold=max(_bound(detector, rows) for rows in sources if len(rows)))


def _bound(detector: OODDetector, rows: Features) -> float:
    return float(np.quantile(detector.score(torch.from_numpy(rows)).numpy(), PASS_RATE))
