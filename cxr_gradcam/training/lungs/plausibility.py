"""Fit what lungs are plausible in chest radiographs, and what pictures show a chest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cxr_gradcam.anatomy.outline import load_outliner
from cxr_gradcam.anatomy.plausibility import shape_problem
from cxr_gradcam.data.cases import evenly_spaced
from cxr_gradcam.data.folders import list_source
from cxr_gradcam.data.held_out import held_out_patients
from cxr_gradcam.data.patients import PatientRules, tell_patients
from cxr_gradcam.imaging.reading import read_named
from cxr_gradcam.models.checkpoint import load_checkpoint, save_checkpoint
from cxr_gradcam.models.ood import OODDetector

PASS_RATE = 0.995
"""Share of each source's radiographs that must count as plausible."""
COUNT = 1600
"""The greatest number of radiographs of each source; the limit is set by every other one."""
SHRINKAGE = 0.02
"""The share of each variance that is added to it, because there are few radiographs."""
_LEAST_VARIANCE = 1e-6

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
    """Fit a detector of implausible lungs to radiographs, and write it into a file of weights.

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
        looked = [(outliner.features(each), each.shape[1] / each.shape[0]) for each in pixels]
        sources.append(
            np.array([row for row, aspect in looked if not shape_problem(row, None, aspect)[1]])
        )
    checkpoint = load_checkpoint(path)
    save_checkpoint(path, replace(checkpoint, ood_detector=fit_detector(sources)))


def fit_detector(sources: Sequence[Features]) -> OODDetector:
    """Fit one Gaussian to the features of all sources.

    Args:
        sources: (N, K) each, at least 20 together.

    Returns:
        The detector. It is fitted to every other radiograph, and `PASS_RATE` of the rest of each
        source is within its threshold.

    Raises:
        ValueError: fewer than 20.
    """
    if (count := sum(map(len, sources))) < 20:
        raise ValueError(
            f"two lungs were found in {count} X-rays, and 20 at least are needed: add some"
        )
    fitted = [rows[::2] for rows in sources]
    features = np.concatenate(fitted).astype(np.float64)
    # Each source has the same weight, however many radiographs it has.
    weights = np.concatenate([np.full(len(rows), 1 / max(len(rows), 1)) for rows in fitted])
    mean = np.average(features, axis=0, weights=weights)
    spread = np.cov(features, rowvar=False, aweights=weights)
    variances, directions = np.linalg.eigh(spread + SHRINKAGE * np.diag(spread.diagonal()))
    detector = OODDetector(
        mean.astype(np.float32),
        directions.T.astype(np.float32),
        variances.clip(_LEAST_VARIANCE).astype(np.float32),
        1.0,
    )
    limits = [_limit(detector, rows[1::2]) for rows in sources if len(rows) > 1]
    return replace(detector, threshold=max(limits))


def _limit(detector: OODDetector, rows: Features) -> float:
    return float(np.quantile(detector.score(torch.from_numpy(rows)).numpy(), PASS_RATE))
