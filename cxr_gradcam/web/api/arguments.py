"""The arguments of the endpoints: their JSON Schemas, and checks of received values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StrictStr, ValidationError, create_model
from pydantic import Field as Described

from cxr_gradcam.explanation.fields import Field
from cxr_gradcam.models.classifier import Classifier

Schema = dict[str, Any]
Declared = dict[str, tuple[Any, Any]]
"""{argument: its type, and its default with a description}, for `pydantic.create_model`."""

_SHOWN = 60  # characters of a refused value that are quoted


class ArgumentError(ValueError):
    """An argument is invalid; the message says which, why, and which values are valid."""


class Arguments:
    """The arguments of one endpoint.

    Args:
        declared: type, default and description of each argument.
    """

    def __init__(self, declared: Declared) -> None:
        config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())
        self._model: type[BaseModel] = create_model("Arguments", __config__=config, **declared)  # type: ignore[call-overload]
        properties = self._model.model_json_schema().get("properties", {})
        self.schemas: dict[str, Schema] = {
            name: _plain(schema) for name, schema in properties.items()
        }

    def check(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Return arguments with their defaults.

        Args:
            values: the values that a program sends; None stands for the default.

        Raises:
            ArgumentError: an argument is unknown or missing, or its value does not fit its schema.

        Example:
            >>> from cxr_gradcam.explanation.display import DISPLAY_FIELDS
            >>> Arguments(declared(DISPLAY_FIELDS, [])).check({"opacity": 1})["style"]
            'even'
        """
        given = {name: value for name, value in values.items() if value is not None}
        try:
            return self._model(**given).model_dump()
        except ValidationError as error:
            first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise ArgumentError(f"no argument {_shown(name)}: there are {', '.join(self.schemas)}")
        schema = self.schemas[name]
        if first["type"] == "missing":
            raise ArgumentError(f"{name} is missing. {schema['description']}")
        raise ArgumentError(f"{name} is {_wanted(schema)}, not {_shown(given[name])}")


def declared(fields: Iterable[Field], models: Iterable[Classifier]) -> Declared:
    """Declare the arguments for fields of a question or a display.

    Args:
        fields: `QUESTION_FIELDS` or `DISPLAY_FIELDS`, or some of them.
        models: the available models; every value that one of them offers is allowed.
    """
    models = list(models)
    return {field.name: _declared(field, models) for field in fields}


def model_argument(models: Mapping[str, Classifier]) -> Declared:
    """Declare the argument that names the model."""
    described = Described(next(iter(models)), description="Which model is asked.")
    return {"model": (Literal[tuple(models)], described)}


def _declared(field: Field, models: list[Classifier]) -> tuple[Any, Any]:
    described = Described(
        field.default,
        description=f"{field.help[0].upper()}{field.help[1:]}.",
        validate_default=False,
    )
    if field.kind is float:
        return Annotated[float, Described(ge=0, le=1)], described
    if field.kind is bool:
        return bool, described
    offered = field.fixed_choices or tuple(
        dict.fromkeys(name for model in models for name in field.offered(model))
    )
    # Names of classes are accepted in any case, and are checked once the model is known.
    return StrictStr if field.name in _CLASSES else Literal[offered], described


_CLASSES = ("class_name", "contrast_with")


def _plain(schema: Schema) -> Schema:
    """Remove the title; write a single choice as a list of one."""
    plain = {key: value for key, value in schema.items() if key not in ("title", "const")}
    return plain | ({"enum": [schema["const"]]} if "const" in schema else {})


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
            return f"{name} from {schema['minimum']:g} to {schema['maximum']:g}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
