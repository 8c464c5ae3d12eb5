"""The named endpoints of the running page, for programs; the page's API view lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter, Signature
from typing import Any

import gradio as gr
from gradio.components.api_component import Api
from gradio.data_classes import FileData

from cxr_gradcam.explanation.display import DISPLAY_FIELDS
from cxr_gradcam.explanation.question import QUESTION_FIELDS
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.api.answers import Answers, error_message
from cxr_gradcam.web.api.arguments import (
    Arguments,
    Declared,
    Schema,
    declared,
    model_argument,
)
from cxr_gradcam.web.api.files import PictureFiles, received
from cxr_gradcam.web.component import OwnComponent
from cxr_gradcam.web.uploads import Uploads

_PROGRESS = gr.Progress()
_PICTURE_WORDS = {
    "original": "The X-ray as the model saw it",
    "heatmap": "The heat map alone, in colours",
    "overlay": "The heat map over the X-ray",
}
_ALONE: dict[str, Any] = {
    # Programs have a separate queue, so they do not delay the page's visitors.
    "concurrency_id": "programs",
    "concurrency_limit": 1,
    "preprocess": False,
    "postprocess": False,
    "show_progress": "hidden",
}


class Argument(Api, metaclass=OwnComponent):
    """An argument or result of an endpoint, as a component that the page does not show.

    Args:
        value: the default, or None.
        schema: the JSON Schema.
        label: the name.
        settings: further arguments for Gradio's component.
    """

    is_template = True  # the browser shows Gradio's own component

    def __init__(self, value: object, schema: Schema, label: str, **settings: Any) -> None:  # noqa: ANN401 - as in Gradio
        described = schema | {"additional_description": schema["description"]}
        super().__init__(value, described, label, **settings)

    def example_payload(self) -> Any:  # noqa: ANN401 - as in Gradio
        """Return the value that the API view shows as an example."""
        if "meta" in self._api_info.get("properties", {}):
            return {"path": "chest.dcm", "url": "chest.dcm", "meta": {"_type": "gradio.FileData"}}
        return self.value


class Endpoints:
    """The endpoints `/explain`, `/classify` and `/models`.

    Args:
        models: models by name, with Grad-CAM enabled.
        answers: the answers by these models.
        uploads: the store of uploaded files.

    Attributes:
        takes: the arguments of each endpoint.
        pictures: the pictures that wait to be fetched.
    """

    def __init__(
        self, models: Mapping[str, Classifier], answers: Answers, uploads: Uploads
    ) -> None:
        self._answers, self._uploads = answers, uploads
        self._explain = Arguments(explain_arguments(models))
        self._classify = Arguments(model_argument(models))
        self.takes: dict[str, dict[str, Schema]] = {
            "explain": _SENT | self._explain.schemas,
            "classify": _SENT | self._classify.schemas,
            "models": {},
        }
        self.pictures = PictureFiles()

    def add_to(self, page: gr.Blocks) -> None:
        """Add the endpoints to a page."""
        answer: Schema = {"type": "object", "description": "What the model says"}
        files = {name: _FILE | {"description": words} for name, words in _PICTURE_WORDS.items()}
        _add(page, self.explain, self.takes["explain"], {"answer": answer} | files)
        _add(page, self.classify, self.takes["classify"], {"answer": answer})
        named: Schema = {"type": "object", "description": "By name"}
        _add(page, self.models, self.takes["models"], {"models": named})

    def explain(self, sent: dict[str, Any], progress: gr.Progress) -> list[Any]:
        """Classify a chest X-ray and show the places that the score of a class depends on.

        The answer contains probabilities, the finding, its verdict (if the model is calibrated),
        whether the image resembles the training images (is_familiar), the question, and where the
        map is hottest (peak_x, peak_y, in pixels of the X-ray). Pictures come as PNG: the X-ray,
        the heat map, and the heat map over the X-ray. A heat map shows where the model looked, not
        where the disease is. Not for clinical use.
        """

        def report(done: int, total: int) -> None:
            progress(done / total)

        try:
            data = received(sent.pop("file"), self._uploads)
            made = self._answers.explain(data, self._explain.check(sent), report)
            return [made.record, *self.pictures.put(made.pictures)]
        except Exception as error:
            raise gr.Error(error_message(error), print_exception=False) from None

    def classify(self, sent: dict[str, Any], _progress: gr.Progress) -> dict[str, Any]:
        """Classify a chest X-ray: probabilities, finding, verdict and out-of-distribution score.

        Returns probabilities by class, the finding of the model's operating point and its verdict
        (null if the model is not calibrated), is_familiar and ood_score: above 1 the image is
        unlike the training images, and the probabilities are unreliable. Not for clinical use.
        """
        try:
            data = received(sent.pop("file"), self._uploads)
            return self._answers.classify(data, self._classify.check(sent)["model"])
        except Exception as error:
            raise gr.Error(error_message(error), print_exception=False) from None

    def models(self, _sent: dict[str, Any], _progress: gr.Progress) -> dict[str, Any]:
        """Name the models with their classes, the methods, details, colour maps and styles.

        For each model: its weights and their SHA-256, its classes, whether several can be true at
        once, the details of its maps, whether it is calibrated (has_verdict) and detects images
        unlike its training images, and the assumptions about it. For each method: what it shows and
        whether it is slow.
        """
        return self._answers.models()


_FILE: Schema = FileData.model_json_schema()
_SENT: dict[str, Schema] = {
    "file": _FILE | {"description": "The chest X-ray: DICOM, PNG, JPEG, TIFF, BMP or WebP"}
}


def explain_arguments(models: Mapping[str, Classifier]) -> Declared:
    """Declare the arguments of `/explain` except the file."""
    fields = (*QUESTION_FIELDS, *DISPLAY_FIELDS)
    return model_argument(models) | declared(fields, models.values())


def _add(
    page: gr.Blocks,
    answer: Callable[[dict[str, Any], gr.Progress], Any],
    takes: dict[str, Schema],
    returns: dict[str, Schema],
) -> None:
    inputs = [Argument(schema.get("default"), schema, name) for name, schema in takes.items()]
    outputs = [Argument(schema.get("default"), schema, name) for name, schema in returns.items()]
    page.default_config.set_event_trigger([], _named(answer, takes), inputs, outputs, **_ALONE)


def _named(
    answer: Callable[[dict[str, Any], gr.Progress], Any], takes: dict[str, Schema]
) -> Callable[..., Any]:
    """Return a function with these positional arguments, from which Gradio reads their names."""

    @wraps(answer)
    def call(*values: Any) -> Any:  # noqa: ANN401 - any value from a program
        return answer(dict(zip(takes, values, strict=False)), values[len(takes)])

    defaults = {
        name: None if "default" in each else Parameter.empty for name, each in takes.items()
    }
    call.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default)
            for name, default in (defaults | {"progress": _PROGRESS}).items()
        ]
    )
    return call
