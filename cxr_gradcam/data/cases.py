"""Cases: radiographs for a study of maps, most of them with a lesion of known position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.data.cut_outs import outline_of
from cxr_gradcam.data.folders import files_for_test, list_source
from cxr_gradcam.data.labels import class_name_of
from cxr_gradcam.data.tables import open_table
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.imaging.reading import read_named
from cxr_gradcam.synthetic.chest import draw_phantom

COLUMNS = ("image", "finding", "x", "y", "w", "h")
FIRST_PHANTOM = 3_000_000
"""Seeds from here on are used in no training and for no choice."""


@dataclass(frozen=True, eq=False)
class Case:
    """A radiograph, and a mask, bool (H, W), of its finding or its lungs."""

    radiograph: Radiograph
    mask: NDArray[np.bool_]


def phantom_cases(count: int, size: int = 224) -> list[Case]:
    """Draw synthetic radiographs with an opacity, from seeds not used in any training.

    Args:
        count: the number of radiographs.
        size: the side of each radiograph in pixels.

    Returns:
        One case per radiograph, the same ones at every call; the mask is the opacity.
    """
    phantoms = [
        draw_phantom(FIRST_PHANTOM + number, size=size, opacity=True) for number in range(count)
    ]
    return [Case(Radiograph(phantom.pixels), phantom.lesion_mask) for phantom in phantoms]


def lung_cases(data: Sequence[Path], cut_outs: Path, finding: str, count: int) -> list[Case]:
    """Read radiographs with a finding whose lung masks are known from cut-outs.

    Args:
        data: folders with one folder of radiographs per class.
        cut_outs: a folder with one folder per class of lungs alone on black; each file has the
            name of the radiograph that it was cut from.
        finding: the class whose cut-outs are read, in any case.
        count: the greatest number of radiographs, spread evenly over the folders.

    Returns:
        One case per radiograph; the mask is the lungs.

    Raises:
        ValueError: no cut-out of the finding has two lungs and its radiograph in the folders.
        RadiographError: a file cannot be read.
    """
    known = {file.path.stem: file.path for source in data for file in files_for_test(source)}
    pairs = [
        (known[file.path.stem], file.path)
        for file in list_source(cut_outs)
        if class_name_of(file.class_name).casefold() == finding.casefold()
        and file.path.stem in known
    ]
    chosen = [pairs[index] for index in evenly_spaced(len(pairs), count)] if pairs else []
    cases = [case for film, cut_out in chosen if (case := _lung_case(film, cut_out)) is not None]
    if not cases:
        raise ValueError(
            f"{cut_outs} shows the lungs of no {finding} in the folders of X-rays: its files must "
            "have the names of the X-rays that they were cut from"
        )
    return cases


def _lung_case(film: Path, cut_out: Path) -> Case | None:
    radiograph = read_named(str(film))
    outline = outline_of((read_named(str(cut_out)).pixels * 255).round().astype(np.uint8))
    if outline is None:
        return None
    height, width = radiograph.pixels.shape
    mask = cv2.resize(outline.mask, (width, height), interpolation=cv2.INTER_NEAREST)
    return Case(radiograph, mask.astype(bool))


def some_radiographs(data: Sequence[Path], count: int) -> list[Radiograph]:
    """Read radiographs spread evenly over folders with one folder per class.

    Args:
        data: the folders; without folders, synthetic radiographs are drawn (`phantom_cases`).
        count: the greatest number of radiographs.

    Returns:
        The radiographs, in the order of the folders.

    Raises:
        RadiographError: a file cannot be read.
    """
    if not data:
        return [case.radiograph for case in phantom_cases(count)]
    paths = [file.path for source in data for file in files_for_test(source)]
    return [read_named(str(paths[index])) for index in evenly_spaced(len(paths), count)]


def evenly_spaced(total: int, count: int) -> list[int]:
    """Return up to `count` indices, evenly spaced from 0 to `total` - 1.

    Example:
        >>> evenly_spaced(9, 3)
        [0, 4, 8]
    """
    spread = np.linspace(0, total - 1, min(count, total))
    return [int(index) for index in spread.round()]


def read_boxes(table: Path, images: Path, finding: str) -> list[Case]:
    """Read the radiographs that have boxes of a finding.

    Args:
        table: a CSV with the columns `image,finding,x,y,w,h`: a file name in the folder `images`,
            the finding's name in any case, and left, top, width and height of a box in pixels of
            the image. An image with several boxes has several rows.
        images: the folder of the images.
        finding: the finding whose rows are read; other rows are left out.

    Returns:
        One case per image; its mask is the union of the boxes.

    Raises:
        ValueError: a column or a cell is missing, a cell is no number, a box lies outside its
            image, or no row names the finding.
        RadiographError: an image cannot be read.
    """
    boxes: dict[str, list[tuple[float, ...]]] = {}
    with open_table(table) as rows:
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(
                f"{table} lacks the columns {', '.join(missing)}: its first line must be "
                f"{','.join(COLUMNS)}"
            )
        for row in rows:
            if None in row.values():
                raise ValueError(
                    f"line {rows.line_num} of {table} has too few columns: "
                    f"{len(COLUMNS)} are needed ({','.join(COLUMNS)})"
                )
            if row["finding"].casefold() == finding.casefold():
                boxes.setdefault(row["image"], []).append(_box(row, rows.line_num, table))
    if not boxes:
        raise ValueError(
            f"{table} has no row of the finding {finding!r}: name another finding by --finding, or "
            "correct the column finding"
        )
    return [_case(images / name, found) for name, found in boxes.items()]


def _box(row: dict[str, str], line: int, table: Path) -> tuple[float, ...]:
    try:
        box = tuple(float(row[name]) for name in ("x", "y", "w", "h"))
    except ValueError:
        raise ValueError(
            f"line {line} of {table}: x, y, w and h must be numbers (pixels)"
        ) from None
    if not all(map(np.isfinite, box)) or box[2] <= 0 or box[3] <= 0:
        raise ValueError(f"line {line} of {table}: a box has a width and a height above 0")
    return box


def _case(image: Path, boxes: list[tuple[float, ...]]) -> Case:
    radiograph = read_named(str(image))
    mask = np.zeros(radiograph.pixels.shape, dtype=bool)
    for box in boxes:
        _mark(mask, box, image.name)
    return Case(radiograph, mask)


def _mark(mask: NDArray[np.bool_], box: tuple[float, ...], name: str) -> None:
    x, y, w, h = box
    height, width = mask.shape
    if x < 0 or y < 0 or round(x + w) > width or round(y + h) > height:
        raise ValueError(
            f"the box {x:g}, {y:g}, {w:g}, {h:g} leaves the image {name} of {width} x {height} "
            "pixels: boxes are in pixels of this very image, so scale the numbers if they were "
            "made on another size"
        )
    mask[round(y) : round(y + h), round(x) : round(x + w)] = True
