"""Radiographs with known lungs: from cut-outs of the same name, or synthetic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.data.cut_outs import BLACK
from cxr_gradcam.data.folders import list_source
from cxr_gradcam.data.patients import PatientRules, tell_patients
from cxr_gradcam.imaging.reading import read_named
from cxr_gradcam.synthetic.chest import draw_phantom

SIDE = 160
"""Height and width of the pictures in memory: more than the network's, to allow shifts."""
AT_LEFT, AT_RIGHT = 1, 2
"""Labels of the lung at the left and of the one at the right of the picture; 0 is no lung."""

_LEAST_SOLIDITY = 0.83
_LEAST_SHARE = 0.4

Grey = NDArray[np.float32]
Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LungPairs:
    """Radiographs and their lungs.

    Attributes:
        pictures: uint8 (N, SIDE, SIDE), the grey values.
        labels: uint8 (N, SIDE, SIDE), `AT_LEFT`, `AT_RIGHT` or 0.
        names: N names of files, or of synthetic chests.
        patients: N names.
    """

    pictures: NDArray[np.uint8]
    labels: Labels
    names: tuple[str, ...]
    patients: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def only(self, chosen: NDArray[np.bool_]) -> LungPairs:
        """Return only the chosen (N,) pairs."""
        kept = np.flatnonzero(chosen).tolist()
        return LungPairs(
            self.pictures[kept],
            self.labels[kept],
            tuple(self.names[index] for index in kept),
            tuple(self.patients[index] for index in kept),
        )

    def pair(self, index: int) -> tuple[Grey, Labels]:
        """Return one radiograph's grey values in [0, 1], and its labels."""
        return self.pictures[index].astype(np.float32) / np.float32(255), self.labels[index]


def read_pairs(
    data: Sequence[Path],
    cut_outs: Sequence[Path],
    left_out: Collection[str] = (),
    rules: PatientRules | None = None,
) -> LungPairs:
    """Read the radiographs that have a cut-out of the same name.

    Args:
        data: folders with one folder of radiographs per class.
        cut_outs: such folders of lungs alone on black, with the same pixel grid.
        left_out: names of patients that are not read.
        rules: how patients are identified; None for the usual layouts.

    Returns:
        The pairs, in the order of their names.

    Raises:
        ValueError: no radiograph has a cut-out with two lungs.
        RadiographError: a picture cannot be read.
    """
    lungs = {file.path.stem: file.path for folder in cut_outs for file in list_source(folder)}
    listed = [list_source(folder) for folder in data]
    patients = tell_patients(listed, rules or PatientRules()).names
    files = [file.path for source in listed for file in source]
    found = {path.stem: (path, name) for path, name in zip(files, patients, strict=True)}
    return _stacked(
        (name, patient, _squared(read_named(str(path)).pixels), labels)
        for name, (path, patient) in sorted(found.items())
        if name in lungs
        and patient not in left_out
        and (labels := lung_labels(read_named(str(lungs[name])).pixels)) is not None
    )


def lung_labels(cut_out: Grey) -> Labels | None:
    """Label the two lungs of a cut-out, and fill their holes.

    Args:
        cut_out: grey values (H, W) in [0, 1], black except for the lungs.

    Returns:
        uint8 (SIDE, SIDE); None unless there are two lungs, one on each side.
    """
    lung = (cut_out > BLACK / 255).astype(np.uint8)
    outlines, _ = cv2.findContours(lung, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = sorted(outlines, key=cv2.contourArea)[-2:]
    if len(largest) < 2:
        return None
    left, right = sorted(largest, key=lambda outline: float(outline[..., 0].mean()))
    if not left[..., 0].mean() < cut_out.shape[1] / 2 < right[..., 0].mean():
        return None
    full = np.zeros(cut_out.shape, np.uint8)
    for label, outline in ((AT_LEFT, left), (AT_RIGHT, right)):
        cv2.drawContours(full, [outline], -1, label, cv2.FILLED)
    return np.asarray(cv2.resize(full, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST), np.uint8)


def are_whole(labels: Labels) -> bool:
    """Return whether both lungs of labels (H, W) have a lung's shape, with no part missing.

    Cut-outs were made by machine, and some lack an apex or the area under a device.
    """
    areas = []
    for label in (AT_LEFT, AT_RIGHT):
        outlines, _ = cv2.findContours(
            (labels == label).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        outline = max(outlines, key=cv2.contourArea, default=None)
        area = 0.0 if outline is None else cv2.contourArea(outline)
        if outline is None or area < _LEAST_SOLIDITY * cv2.contourArea(cv2.convexHull(outline)):
            return False
        areas.append(area)
    return min(areas) >= _LEAST_SHARE * max(areas)


def phantom_pairs(seeds: Iterable[int], *, opacity: bool | None = None) -> LungPairs:
    """Draw synthetic chests.

    Args:
        seeds: seeds of `draw_phantom`, one for each chest.
        opacity: whether each chest has an opacity; None: every other chest has one.
    """
    return _stacked(_drawn(seed, seed % 2 == 1 if opacity is None else opacity) for seed in seeds)


def _drawn(seed: int, opacity: bool) -> tuple[str, str, Labels, Labels]:
    phantom = draw_phantom(seed, size=SIDE, opacity=opacity)
    labels = AT_LEFT * phantom.right_lung + AT_RIGHT * phantom.left_lung
    return f"phantom {seed}", f"phantom {seed}", _squared(phantom.pixels), labels.astype(np.uint8)


def _squared(pixels: Grey) -> NDArray[np.uint8]:
    square = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return (square * 255).round().astype(np.uint8)


def _stacked(rows: Iterable[tuple[str, str, NDArray[np.uint8], Labels]]) -> LungPairs:
    listed = list(rows)
    if not listed:
        raise ValueError(
            "no X-ray has a cut-out of the same name with two lungs in it: give each cut-out the "
            "name of its X-ray"
        )
    names, patients, pictures, labels = zip(*listed, strict=True)
    return LungPairs(np.stack(pictures), np.stack(labels), names, patients)
