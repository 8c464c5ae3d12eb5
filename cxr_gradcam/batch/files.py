"""Many files: each is explained and its pictures saved; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

from PIL import Image

from cxr_gradcam.explanation import Question, explain
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.imaging.rendering import as_rgb, colorize, overlay
from cxr_gradcam.models.resnet50 import ResNet50FineTuned


def explain_files(
    model: ResNet50FineTuned,
    files: Sequence[Path],
    output: Path,
    *,
    alpha: float = 0.5,
    colormap: str = "jet",
    **question: Unpack[Question],
) -> Iterator[dict[str, Any]]:
    """Explain files one by one and save heat map and overlay of each as PNG.

    Args:
        model: with Grad-CAM enabled.
        files: radiographs.
        output: the folder for the pictures; files of the same name get numbers.
        alpha: opacity of the map in the overlay, in [0, 1].
        colormap: a name of `render.COLORMAPS`.
        question: as in `explain`; by default, Grad-CAM for each file's predicted class.

    Yields:
        Per file, in order: {"file", "predicted_class", "probabilities", "finding", "verdict",
        "is_familiar", "class_name", "method", "contrast_with", "against", "layers", "outputs"}, or
        {"file", "error"} where it cannot be read.

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
        explanation = explain(model, radiograph, **question)
        pictures = {
            "heatmap": colorize(explanation.heatmap, colormap),
            "overlay": overlay(as_rgb(radiograph.pixels), explanation.heatmap, alpha, colormap),
        }
        outputs = {name: str(output / f"{stem}-{name}.png") for name in pictures}
        for name, picture in pictures.items():
            Image.fromarray(picture).save(outputs[name], compress_level=1)
        yield {
            "file": str(file),
            "predicted_class": explanation.predicted_class,
            "probabilities": explanation.probabilities,
            "finding": explanation.finding,
            "verdict": explanation.verdict,
            "is_familiar": explanation.is_familiar,
            "class_name": explanation.class_name,
            "method": explanation.method,
            "contrast_with": explanation.contrast_with,
            "against": explanation.against,
            "layers": explanation.layers,
            "outputs": outputs,
        }


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
