"""Many files: each is explained and its pictures saved; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr_gradcam.batch.names import unique_stems
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation import Explanation, examine
from cxr_gradcam.imaging.radiograph import Radiograph, RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.question import Question
from cxr_gradcam.report import record

Export = Callable[[Path, Radiograph, Explanation], Mapping[str, Path]]
"""Writes outputs of a file, its radiograph and its explanation; returns them by what they are."""


def explain_files(
    model: Classifier,
    files: Sequence[Path],
    output: Path,
    question: Question | None = None,
    *,
    alpha: float = 0.5,
    colormap: str = "jet",
    progress: Progress | None = None,
    also: Export | None = None,
) -> Iterator[dict[str, Any]]:
    """Explain files one by one and save heat map and overlay of each as PNG.

    Args:
        model: with Grad-CAM enabled.
        files: radiographs.
        output: the folder for the pictures; named by `unique_stems`.
        question: asked of each file; None for Grad-CAM of its predicted class.
        alpha: opacity of the map in the overlay, in [0, 1].
        colormap: a name of `rendering.COLORMAPS`.
        progress: called while Score-CAM and Ablation-CAM are at work.
        also: writes further outputs of a file.

    Yields:
        Per file, in order: {"file", the keys of `report.record`, "outputs"}, or {"file", "error"}
        where it cannot be read, or its pictures cannot be saved.

    Raises:
        ValueError: no such class, method or colour map, or `alpha` outside [0, 1].
    """
    asked = question or Question()
    output.mkdir(parents=True, exist_ok=True)
    for file, stem in zip(files, unique_stems(files), strict=True):
        try:
            radiograph = read_radiograph(file)
        except RadiographError as error:
            yield {"file": str(file), "error": str(error)}
            continue
        explanation = examine(model, radiograph, asked.layers).answer(asked, progress)
        pictures = {
            "heatmap": colorize(explanation.heatmap, colormap),
            "overlay": overlay(as_rgb(radiograph.pixels), explanation.heatmap, alpha, colormap),
        }
        outputs = {name: output / f"{stem}-{name}.png" for name in pictures}
        try:
            _save(pictures, outputs)
            if also is not None:
                outputs |= also(file, radiograph, explanation)
        except OSError as error:
            yield {"file": str(file), "error": _unsaved(error)}
            continue
        except RadiographError as error:
            yield {"file": str(file), "error": str(error)}
            continue
        saved = {name: str(path) for name, path in outputs.items()}
        yield {"file": str(file), **record(explanation), "outputs": saved}


def _save(pictures: Mapping[str, NDArray[np.uint8]], outputs: Mapping[str, Path]) -> None:
    """Write all pictures of a file under other names first: a full disk leaves no part of them."""
    # A random name, since other processes may save here too
    parts = {name: path.with_name(f".{uuid4().hex}.part") for name, path in outputs.items()}
    try:
        for name, part in parts.items():
            Image.fromarray(pictures[name]).save(part, "PNG", compress_level=1)
        for name, part in parts.items():
            part.replace(outputs[name])
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _unsaved(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"The pictures cannot be saved: {reason}. Make room, or choose another --output folder."
