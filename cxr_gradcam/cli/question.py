"""Options of the command line for the question and the display of a map."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from cxr_gradcam.explanation.display import DISPLAY_FIELDS, Display
from cxr_gradcam.explanation.fields import Field
from cxr_gradcam.explanation.question import QUESTION_FIELDS, Question


def add_fields(parser: argparse.ArgumentParser, fields: Iterable[Field]) -> None:
    """Add an option for each field.

    Args:
        parser: the parser of a command.
        fields: `QUESTION_FIELDS` or `DISPLAY_FIELDS`, or some of them.
    """
    for field in fields:
        parser.add_argument(
            *(f"--{option}" for option in field.options),
            dest=field.name,
            default=field.default,
            help=_help(field),
            **_kind(field),
        )


def question_of(options: argparse.Namespace) -> Question:
    """Return the question from the options.

    Args:
        options: options with an attribute for each of `QUESTION_FIELDS` that the command offers.

    Raises:
        ValueError: two classes are compared without naming the first, or one with itself.
    """
    question = Question(**_values(options, QUESTION_FIELDS))
    if question.contrast_with is not None and question.class_name is None:
        raise ValueError("--rather-than compares two classes: name the first by --class")
    return question


def display_of(options: argparse.Namespace) -> Display:
    """Return the display from the options.

    Raises:
        ValueError: a value is not offered.
    """
    return Display(**_values(options, DISPLAY_FIELDS))


def _values(options: argparse.Namespace, fields: Iterable[Field]) -> dict[str, Any]:
    return {
        field.name: getattr(options, field.name) for field in fields if field.name in vars(options)
    }


def _kind(field: Field) -> dict[str, Any]:
    """Return the arguments for argparse that describe a field's values."""
    if field.kind is bool:
        return {"action": "store_true"}
    if field.kind is float:
        return {"type": float, "metavar": "SHARE"}
    return {"choices": field.fixed_choices or None, "metavar": "NAME"}


def _help(field: Field) -> str:
    said = [field.help]
    if field.fixed_choices:
        said.append(f"one of {', '.join(field.fixed_choices)}")
    if field.default:
        said.append(f"default: {field.default}")
    return "; ".join(said).replace("%", "%%")
