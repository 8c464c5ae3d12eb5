"""Outlines of the lungs: agreement with known lungs, and with the zones of opacities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr_gradcam.anatomy.network import SIDE
from cxr_gradcam.anatomy.outline import Lungs, outline_lungs
from cxr_gradcam.anatomy.zones import locate
from cxr_gradcam.bundled import assets
from cxr_gradcam.data.cases import FIRST_PHANTOM, evenly_spaced, some_radiographs
from cxr_gradcam.data.held_out import held_out_patients
from cxr_gradcam.data.lung_pairs import LungPairs, read_pairs
from cxr_gradcam.data.patients import PatientRules
from cxr_gradcam.data.tables import load_patients
from cxr_gradcam.evaluation.intervals import IN_BRACKETS, with_intervals
from cxr_gradcam.imaging.pixels import quantize
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.models.checkpoint import load_checkpoint
from cxr_gradcam.synthetic.chest import Phantom, draw_phantom

PHANTOMS = 40
"""Number of synthetic chests with an opacity."""
_PANEL, _ACROSS = 224, 10

Mask = NDArray[np.bool_]


def study(
    count: int,
    data: Sequence[Path],
    rules: PatientRules,
    cut_outs: Path | None = None,
    only: Path | None = None,
    report: Path | None = None,
) -> dict[str, Any]:
    """Study how accurate the lungs' outlines are.

    Args:
        count: the greatest number of radiographs of each folder.
        data: folders with one folder of radiographs per class.
        rules: how patients are identified.
        cut_outs: such a folder of lungs alone on black, with the names of the radiographs; None to
            measure on synthetic chests alone.
        only: a CSV whose column `patient` names the patients to use; None for those that the
            training of the outlines held out.
        report: a folder for pictures of the outlines, one picture for each folder of radiographs.

    Returns:
        {"title", "about", "rows"}; the rows {"X-rays", "images", "Dice", "Dice, 5th percentile",
        "known lung outlined", "zone named rightly"}.

    Raises:
        ValueError: a folder has no radiograph with known lungs.
        RadiographError: a picture cannot be read.
    """
    rows = []
    for folder in data:
        if report is not None:
            path = report / f"outlines-{folder.name}.png"
            write_sheet(path, some_radiographs([folder], count))
        if cut_outs is not None:
            rows.append(_known_row(folder, cut_outs, rules, only, count))
    rows.append(_synthetic_row())
    return {
        "title": "How well the lungs are outlined",
        "about": (
            "Dice: twice the common area of outlined and known lungs, over the sum of both. Known "
            "lung outlined: the share of the known lungs that lies within the outlines. The zone "
            "of an opacity's middle is named by the outlines and by the lungs that were drawn. "
            f"{IN_BRACKETS} over the patients."
        ),
        "rows": rows,
    }


def _known_row(
    folder: Path, cut_outs: Path, rules: PatientRules, only: Path | None, count: int
) -> dict[str, Any]:
    pairs = _chosen(read_pairs([folder], [cut_outs], rules=rules), only, count)
    radiographs = [
        (Radiograph(pixels), labels > 0) for pixels, labels in map(pairs.pair, range(len(pairs)))
    ]
    return _row(
        folder.name,
        pairs.patients,
        [agreement(outline_lungs(r), known) for r, known in radiographs],
    )


def _synthetic_row() -> dict[str, Any]:
    phantoms = [draw_phantom(FIRST_PHANTOM + n, size=224, opacity=True) for n in range(PHANTOMS)]
    outlined = [outline_lungs(Radiograph(phantom.pixels)) for phantom in phantoms]
    found = [
        agreement(lungs, phantom.right_lung | phantom.left_lung)
        for lungs, phantom in zip(outlined, phantoms, strict=True)
    ]
    same = sum(_same_zone(*each) for each in zip(outlined, phantoms, strict=True))
    names = [str(number) for number in range(PHANTOMS)]
    row = _row("synthetic, with an opacity", names, found)
    return row | {"zone named rightly": f"{same} of {PHANTOMS}"}


def write_sheet(path: Path, radiographs: Sequence[Radiograph]) -> None:
    """Write a picture of radiographs with the outlines of their lungs, to be judged by eye.

    Args:
        path: the PNG file; its folder is made if it is missing.
        radiographs: at least one.
    """
    panels = [outlined(radiograph, outline_lungs(radiograph)) for radiograph in radiographs]
    panels += [np.zeros_like(panels[0])] * (-len(panels) % _ACROSS)
    rows = [np.hstack(panels[start : start + _ACROSS]) for start in range(0, len(panels), _ACROSS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(rows)).save(path)


def outlined(radiograph: Radiograph, lungs: Lungs) -> NDArray[np.uint8]:
    """Draw the outlines of both lungs: the right one yellow, the left one blue.

    Args:
        radiograph: a radiograph of any size.
        lungs: the radiograph's lungs.

    Returns:
        RGB (224, 224, 3); with a red mark at the upper edge if the lungs are not plausible.
    """
    size = (_PANEL, _PANEL)
    square = np.asarray(cv2.resize(radiograph.pixels, size, interpolation=cv2.INTER_AREA))
    picture = np.repeat(quantize(square.astype(np.float32))[..., None], 3, axis=2).copy()
    for lung, color in ((lungs.right, (255, 255, 0)), (lungs.left, (0, 200, 255))):
        mask = cv2.resize(lung.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, color, 1)
    if not lungs.is_plausible:
        picture[:4] = (255, 0, 0)
    return picture


def _chosen(pairs: LungPairs, only: Path | None, count: int) -> LungPairs:
    if only is None:
        recipe = load_checkpoint(assets() / "lungs.safetensors").training["recipe"]
        counts = held_out_patients(pairs.patients, recipe["validation_share"], recipe["seed"])
    else:
        patients = load_patients(only)
        counts = np.array([patient in patients for patient in pairs.patients])
    found = pairs.only(counts)
    if not len(found):
        raise ValueError(
            "none of the patients that count has an X-ray with a cut-out: give each cut-out the "
            "name of its X-ray, or name other patients by --only"
        )
    kept = np.zeros(len(found), bool)
    kept[evenly_spaced(len(found), count)] = True
    return found.only(kept)


def agreement(lungs: Lungs, known: Mask) -> tuple[float, float]:
    """Compare outlined lungs with known ones.

    Args:
        lungs: the outlined lungs of a radiograph.
        known: bool (H, W) on the radiograph's pixels, both known lungs.

    Returns:
        The Dice coefficient, and the share of the known lungs within the outlines.
    """
    found = lungs.right | lungs.left
    common = float((found & known).sum())
    return 2 * common / float(found.sum() + known.sum()), common / float(known.sum())


def _same_zone(outlined: Lungs, phantom: Phantom) -> bool:
    """Return whether outlined and drawn lungs give the same zone for an opacity's centre."""
    drawn = [
        cv2.resize(lung.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        for lung in (phantom.right_lung, phantom.left_lung)
    ]
    known = Lungs(outlined.size, np.stack(drawn).astype(np.float32), outlined.body, 0.0)
    inside = phantom.lesion_mask.astype(np.float32)
    middle = np.asarray(cv2.GaussianBlur(inside, (0, 0), len(inside) / 16), np.float32)
    named, expected = locate(middle, outlined), locate(middle, known)
    return named is not None and expected is not None and named.words == expected.words


def _row(
    name: str, patients: Sequence[str], found: Sequence[tuple[float, float]]
) -> dict[str, Any]:
    dice, covered = np.array(found).T

    def means(weights: NDArray[np.floating]) -> dict[str, float]:
        return {
            "Dice": float(np.average(dice, weights=weights)),
            "known lung outlined": float(np.average(covered, weights=weights)),
        }

    figures = with_intervals(means, np.array(patients))
    return {
        "X-rays": name,
        "images": len(found),
        "Dice": figures["Dice"],
        "Dice, 5th percentile": f"{np.percentile(dice, 5):.3f}",
        "known lung outlined": figures["known lung outlined"],
        "zone named rightly": "",
    }
