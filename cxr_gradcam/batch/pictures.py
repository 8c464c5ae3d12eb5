"""The pictures of a file: heat map and overlay, each there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr_gradcam.atomic_files import atomic_files
from cxr_gradcam.explanation import Explanation
from cxr_gradcam.explanation.display import DEFAULT, Display
from cxr_gradcam.imaging.radiograph import Radiograph
from cxr_gradcam.imaging.rendering import as_rgb


@dataclass(frozen=True, eq=False)
class Drawn:
    """What further outputs of a file are made of.

    Attributes:
        start: what their paths start with.
        data: the file's bytes.
        radiograph: it.
        explanation: of it.
        pictures: {"heatmap", "overlay": RGB (H, W, 3)}.
    """

    start: Path
    data: bytes
    radiograph: Radiograph
    explanation: Explanation
    pictures: Mapping[str, NDArray[np.uint8]]


Export = Callable[[Drawn], Mapping[str, Path]]
"""Writes further outputs of a file; returns them by what they are."""


@dataclass(frozen=True)
class Pictures:
    """What is drawn of each file, and where it is saved.

    Args:
        output: the folder.
        display: how the map is laid over the radiograph.
        also: functions that write further outputs of a file.
    """

    output: Path
    display: Display = DEFAULT
    also: Sequence[Export] = ()

    def save(
        self, place: Path, data: bytes, radiograph: Radiograph, explanation: Explanation
    ) -> dict[str, str]:
        """Draw and save the pictures of one file.

        Args:
            place: where they lie below the output folder, and what their names start with.
            data: the file's bytes.
            radiograph: it.
            explanation: of it, its map on the radiograph's grid.

        Returns:
            {"heatmap", "overlay", and what `also` writes: path}.

        Raises:
            OSError: they cannot be saved; nothing of them is left.
            RadiographError: `also` refuses the file.
        """
        pictures = self.display.draw(as_rgb(radiograph.pixels), explanation.heatmap)
        start = self.output / place
        start.parent.mkdir(parents=True, exist_ok=True)
        outputs = {name: start.with_name(f"{start.name}-{name}.png") for name in pictures}
        _save(pictures, outputs)
        for export in self.also:
            outputs |= export(Drawn(start, data, radiograph, explanation, pictures))
        return {name: str(path) for name, path in outputs.items()}


def _save(pictures: Mapping[str, NDArray[np.uint8]], outputs: Mapping[str, Path]) -> None:
    """Write all pictures of a file, or none."""
    with atomic_files(*outputs.values()) as partials:
        for name, partial in zip(outputs, partials, strict=True):
            Image.fromarray(pictures[name]).save(partial, "PNG", compress_level=1)
