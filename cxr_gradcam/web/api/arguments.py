"""What programs may ask, as JSON Schemas, and the check of what they did ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxr_gradcam.batch.pictures import STYLES
from cxr_gradcam.cam.methods import METHODS
from cxr_gradcam.imaging.rendering import COLORMAPS
from cxr_gradcam.models.classifier import Classifier

Schema = dict[str, Any]
Schemas = dict[str, Schema]
"""{argument: its JSON Schema}; arguments without a default must be given."""

_SHOWN = 60  # characters of a wrong value that are told again


class ArgumentError(ValueError):
    """An argument cannot be taken; the message says which, why, and what can."""


def file_schema() -> Schemas:
    """Return the argument that is the picture."""
    return {
        "file": {
            "type": "string",
            "description": "The chest X-ray: DICOM, PNG, JPEG, TIFF, BMP or WebP. Either its bytes "
            "in base64 (also as a data: URL), for files up to 3 MB; or what POST "
            "/gradio_api/upload answered to the file, for larger ones.",
        }
    }


def model_schema(models: Mapping[str, Classifier]) -> Schemas:
    """Return the argument that names the model."""
    return {
        "model": {
            "type": "string",
            "enum": list(models),
            "default": next(iter(models)),
            "description": "Which model is asked.",
        }
    }


def question_schemas(models: Mapping[str, Classifier]) -> Schemas:
    """Return the arguments that say which map is made."""
    details = list(dict.fromkeys(name for model in models.values() for name in model.detail))
    slow = ", ".join(name for name, method in METHODS.items() if method.is_slow)
    return {
        "class_name": {
            "type": "string",
            "default": None,
            "description": f"The class to explain, in any case: {_classes(models)}. Default: the "
            "most probable one.",
        },
        "contrast_with": {
            "type": "string",
            "default": None,
            "description": "Another class: the map then shows what speaks for class_name rather "
            "than for this one.",
        },
        "against": {
            "type": "boolean",
            "default": False,
            "description": "Show what speaks against the class instead of for it.",
        },
        "method": {
            "type": "string",
            "enum": list(METHODS),
            "default": "gradcam",
            "description": f"How the map is made. {slow} take seconds to minutes, the others "
            "milliseconds.",
        },
        "detail": {
            "type": "string",
            "enum": details,
            "default": None,
            "description": "How fine the map is; finer maps are less sure of the class. Default: "
            "as on the page.",
        },
    }


def style_schemas() -> Schemas:
    """Return the arguments that say how the pictures are drawn."""
    return {
        "opacity": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 0.5,
            "description": "Opacity of the map over the X-ray, from 0 (the X-ray alone) to 1.",
        },
        "colormap": {
            "type": "string",
            "enum": list(COLORMAPS),
            "default": "jet",
            "description": "The colours of the map.",
        },
        "style": {
            "type": "string",
            "enum": list(STYLES),
            "default": "even",
            "description": "Lay the map over the X-ray evenly, fading where it is weak, or as "
            "contour lines.",
        },
        "threshold": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 0.0,
            "description": "No colour where the map is weaker than this share of its maximum, "
            "from 0 to 1.",
        },
    }


def checked(schemas: Schemas, arguments: Mapping[str, object]) -> dict[str, Any]:
    """Return arguments with their defaults.

    Args:
        schemas: what may be asked.
        arguments: what was asked; None stands for the default.

    Raises:
        ArgumentError: an unknown argument, one that is missing, or a value outside its schema.

    Example:
        >>> checked(style_schemas(), {"opacity": 1, "style": None})["opacity"]
        1
    """
    unknown = sorted(map(_shown, arguments.keys() - schemas.keys()))
    if unknown:
        raise ArgumentError(f"no argument {unknown[0]}: there are {', '.join(schemas)}")
    return {name: _checked(name, schema, arguments.get(name)) for name, schema in schemas.items()}


def _checked(name: str, schema: Schema, value: object) -> object:
    if value is None:
        if "default" not in schema:
            raise ArgumentError(f"{name} is missing. {schema['description']}")
        return schema["default"]
    if not _fits(schema, value):
        raise ArgumentError(f"{name} is {_wanted(schema)}, not {_shown(value)}")
    return value


def _fits(schema: Schema, value: object) -> bool:
    match schema["type"]:
        case "string":
            return isinstance(value, str) and value in schema.get("enum", [value])
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list) and all(_fits(schema["items"], each) for each in value)
        case kind:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return False
            is_kind = kind == "number" or isinstance(value, int)
            return is_kind and schema["minimum"] <= value <= schema["maximum"]  # never of NaN


def _wanted(schema: Schema) -> str:
    match schema["type"]:
        case "string":
            return f"one of {', '.join(schema['enum'])}" if "enum" in schema else "a text"
        case "boolean":
            return "true or false"
        case "array":
            return f"a list, each {_wanted(schema['items'])}"
        case kind:
            name = "a number" if kind == "number" else "a whole number"
            return f"{name} from {schema['minimum']} to {schema['maximum']}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _classes(models: Mapping[str, Classifier]) -> str:
    if len(models) == 1:
        [model] = models.values()
        return ", ".join(model.class_names)
    return "one of the model's, which `models` names"
