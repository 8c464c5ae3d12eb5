"""Many files: each is explained and its pictures saved; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation import examine
from cxr_gradcam.imaging.dicom import RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.question import Question
from cxr_gradcam.report import record


def explain_files(
    model: Classifier,
    files: Sequence[Path],
    output: Path,
    question: Question,
    *,
    alpha: float = 0.5,
    colormap: str = "jet",
    progress: Progress | None = None,
) -> Iterator[dict[str, Any]]:
    """Explain files one by one and save heat map and overlay of each as PNG.

    Args:
        model: with Grad-CAM enabled.
        files: radiographs.
        output: the folder for the pictures; files of the same name get numbers.
        question: asked of each file.
        alpha: opacity of the map in the overlay, in [0, 1].
        colormap: a name of `rendering.COLORMAPS`.
        progress: called while Score-CAM and Ablation-CAM are at work.

    Yields:
        Per file, in order: {"file", the keys of `report.record`, "outputs"}, or {"file", "error"}
        where it cannot be read.

    Raises:
        ValueError: no such class, method or colour map, or `alpha` outside [0, 1].
    """
    output.mkdir(parents=True, exist_ok=True)
    for file, stem in zip(files, unique_stems(files), strict=True):
        try:
            radiograph = read_radiograph(file)
        except RadiographError as error:
            yield {"file": str(file), "error": str(error)}
            continue
        explanation = examine(model, radiograph, question.layers).answer(question, progress)
        pictures = {
            "heatmap": colorize(explanation.heatmap, colormap),
            "overlay": overlay(as_rgb(radiograph.pixels), explanation.heatmap, alpha, colormap),
        }
        outputs = {name: str(output / f"{stem}-{name}.png") for name in pictures}
        for name, picture in pictures.items():
            Image.fromarray(picture).save(outputs[name], compress_level=1)
        yield {"file": str(file), **record(explanation), "outputs": outputs}


def unique_stems(files: Sequence[Path]) -> list[str]:
    """Name each file's outputs: its stem, numbered where an earlier file took it."""
    taken = set[str]()
    stems = []
    for file in files:
        stem, number = file.stem, 1
        while stem in taken:
            number += 1
            stem = f"{file.stem}-{number}"
        taken.add(stem)
        stems.append(stem)
    return stems
