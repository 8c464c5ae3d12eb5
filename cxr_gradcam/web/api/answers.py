"""Answers for programs, the same as those of the command line and the page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.explanation.display import DISPLAY_FIELDS, STYLES, Display
from cxr_gradcam.explanation.engine import examine, explain_inputs
from cxr_gradcam.explanation.question import (
    QUESTION_FIELDS,
    Question,
    default_detail,
    find_class,
)
from cxr_gradcam.explanation.records import explanation_record, prediction_record
from cxr_gradcam.imaging.radiograph import RadiographError
from cxr_gradcam.imaging.reading import read_radiograph
from cxr_gradcam.imaging.rendering import COLORMAPS, RGBImage, as_rgb
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.about import limits
from cxr_gradcam.web.api.arguments import ArgumentError
from cxr_gradcam.web.failures import reason


@dataclass(frozen=True, eq=False)
class Explained:
    """The answer to one question about one X-ray.

    Attributes:
        record: the record as printed by `explain --json`, without names of files.
        pictures: {"original", "heatmap", "overlay": RGB (H, W, 3)}.
    """

    record: dict[str, Any]
    pictures: Mapping[str, RGBImage]


class Answers:
    """Answer programs, with one run of a network at a time; no data of a request is kept.

    Args:
        models: models by name, with Grad-CAM enabled; shared by all programs, and never changed.
    """

    def __init__(self, models: Mapping[str, Classifier]) -> None:
        self._models, self._run = models, Lock()

    def models(self) -> dict[str, Any]:
        """Return the models, methods, colour maps and styles, in JSON types."""
        methods = {
            name: {"label": each.label, "summary": each.summary, "is_slow": each.is_slow}
            for name, each in METHODS.items()
        }
        return {
            "models": {name: _described(model) for name, model in self._models.items()},
            "methods": methods,
            "colormaps": list(COLORMAPS),
            "styles": list(STYLES),
        }

    def classify(self, data: bytes, model: str) -> dict[str, Any]:
        """Return a model's prediction for a file.

        Args:
            data: the file's bytes.
            model: the model's name.

        Raises:
            RadiographError: the file cannot be read.
        """
        radiograph = read_radiograph(data)
        with self._run:
            prediction = examine(self._models[model], radiograph).prediction
        return prediction_record(prediction)

    def explain(
        self, data: bytes, asked: Mapping[str, Any], progress: Progress | None = None
    ) -> Explained:
        """Answer a question about a file.

        Args:
            data: the file's bytes.
            asked: the checked arguments of `explain_arguments`.
            progress: called with (steps done, steps in all) while a slow method runs.

        Raises:
            ArgumentError: the model has no such class or detail.
            RadiographError: the file cannot be read.
        """
        model = self._models[asked["model"]]
        question = _question(model, asked)
        radiograph = read_radiograph(data)
        height, width = radiograph.pixels.shape
        x = model.prepare(radiograph)
        with self._run:
            [explanation] = explain_inputs(
                model,
                x,
                [(height, width)],
                question,
                full_size=True,
                right_sides=[radiograph.right_side],
                progress=progress,
            )
        record = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "width": width,
            "height": height,
            **explanation_record(explanation),
        }
        original = as_rgb(radiograph.pixels)
        display = Display(**{field.name: asked[field.name] for field in DISPLAY_FIELDS})
        drawn = display.draw(original, explanation.heatmap)
        return Explained(record, {"original": original, **drawn})


def error_message(error: Exception) -> str:
    """Return an error message for a program; log where it failed, but no data of the request."""
    if isinstance(error, (ArgumentError, RadiographError)):
        return str(error)
    return reason(error)


def _question(model: Classifier, asked: Mapping[str, Any]) -> Question:
    values = {field.name: asked[field.name] for field in QUESTION_FIELDS}
    values["detail"] = values["detail"] or default_detail(model)
    if values["detail"] not in model.detail:
        raise ArgumentError(f"detail of this model is one of {', '.join(model.detail)}")
    if values["contrast_with"] is not None and values["class_name"] is None:
        raise ArgumentError("contrast_with compares two classes: name the first by class_name")
    values |= {name: _class(model, asked, name) for name in ("class_name", "contrast_with")}
    return Question(**values)


def _class(model: Classifier, asked: Mapping[str, Any], argument: str) -> str | None:
    """Return the class that an argument names, in the model's spelling."""
    if asked[argument] is None:
        return None
    names = model.class_names
    try:
        name = names[find_class(names, asked[argument])]
    except ValueError:
        raise ArgumentError(f"{argument} is one of {', '.join(names)}") from None
    if argument == "contrast_with" and asked["class_name"].casefold() == name.casefold():
        raise ArgumentError("contrast_with and class_name are the same class: name two")
    return name


def _described(model: Classifier) -> dict[str, Any]:
    point, known = model.calibration.operating_point, model.provenance
    return {
        "weights": None if known is None else {"name": known.name, "sha256": known.sha256},
        "architecture": None if known is None else known.architecture,
        "classes": list(model.class_names),
        "multi_label": model.multi_label,
        "details": list(model.detail),
        "finding": None if point is None else point.class_name,
        "has_verdict": point is not None,
        "notices_unfamiliar_images": model.ood_detector is not None,
        "trained_on": model.trained_on,
        "assumptions": list(model.assumptions),
        "scope": " ".join(limits(model)),
    }
