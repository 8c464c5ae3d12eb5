"""The pictures of a file: heat map and overlay, all written or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_gradcam.atomic_files import atomic_files
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.explanation.display import DEFAULT, Display
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.imaging.rendering import as_rgb


@dataclass(frozen=True, eq=False)
class Drawn:
    """A file with its drawn pictures, for further outputs.

    Attributes:
        start: the start of the paths of the file's outputs.
        data: the file's bytes.
        radiograph: the decoded radiograph.
        explanation: the explanation of the radiograph.
        pictures: {"heatmap", "overlay": RGB (H, W, 3)}.
    """

    start: Path
    data: bytes
    radiograph: Radiograph
    explanation: Explanation
    pictures: Mapping[str, NDArray[np.uint8]]


Export = Callable[[Drawn], Mapping[str, Any]]
"""A function that makes further outputs of a file and returns keys of its record: "outputs", {kind:
path} of written files, and others in JSON types."""


@dataclass(frozen=True)
class Pictures:
    """The pictures to save of each file.

    Args:
        output: the folder of the pictures.
        display: how the map is overlaid on the radiograph.
        also: functions that make further outputs of a file.
    """

    output: Path
    display: Display = DEFAULT
    also: Sequence[Export] = ()

    def save(
        self, place: Path, data: bytes, radiograph: Radiograph, explanation: Explanation
    ) -> dict[str, Any]:
        """Draw and save the pictures of one file.

        Args:
            place: path below the output folder that the pictures' names start with.
            data: the file's bytes.
            radiograph: the decoded radiograph.
            explanation: the explanation of the radiograph, with its map in the radiograph's size.

        Returns:
            {"outputs": {"heatmap", "overlay", and what `also` writes: path}}, and further keys of
            the file's record that `also` returns.

        Raises:
            OSError: the pictures cannot be saved; none remains.
            RadiographError: a function of `also` refuses the file.
        """
        pictures = self.display.draw(as_rgb(radiograph.pixels), explanation.heatmap)
        start = self.output / place
        start.parent.mkdir(parents=True, exist_ok=True)
        outputs = {name: start.with_name(f"{start.name}-{name}.png") for name in pictures}
        save_pictures(pictures, outputs)
        drawn = Drawn(start, data, radiograph, explanation, pictures)
        record: dict[str, Any] = {}
        for made in (export(drawn) for export in self.also):
            outputs |= made.get("outputs", {})
            record |= made
        return record | {"outputs": {name: str(path) for name, path in outputs.items()}}


def save_pictures(pictures: Mapping[str, NDArray[np.uint8]], outputs: Mapping[str, Path]) -> None:
    """Write all pictures of a file as PNG, or none.

    Args:
        pictures: uint8 (H, W, 3) each, RGB, by name.
        outputs: the path of each, by the same names.

    Raises:
        OSError: a picture cannot be saved; none remains.
    """
    with atomic_files(*outputs.values()) as partials:
        for name, partial in zip(outputs, partials, strict=True):
            partial.write_bytes(_png(pictures[name]))


def _png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture (H, W, 3), RGB, with fast instead of best compression."""
    settings = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # a single filter takes half of the time
        settings += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", bgr, settings)[1].tobytes()
