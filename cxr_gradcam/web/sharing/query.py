"""Links as query strings: written from a question, and read from untrusted input."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from cxr_gradcam.explanation.display import DISPLAY_FIELDS
from cxr_gradcam.explanation.fields import Field
from cxr_gradcam.explanation.question import QUESTION_FIELDS
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.compare.comparison import Comparison, read_comparison
from cxr_gradcam.web.question import PageQuestion, default_question

_LONGEST = 2_000
_MOST_PARAMETERS = 50
_MOST_WINDOWS = 99
_LARGEST_ZOOM = 64
_LAYOUTS = ("lead", "row", "column")
_PANELS = ("original", "heat-map", "overlay")
_WIDEST_WINDOW = 1_000

Value = TypeVar("Value")

_ASKED = {each.parameter: each for each in QUESTION_FIELDS if each.parameter is not None}
_DISPLAYED = {each.parameter: each for each in DISPLAY_FIELDS if each.parameter is not None}

PARAMETERS: dict[str, str] = (
    {"model": "a model", "compare": "a comparison", "example": "an example"}
    | {name: each.noun for name, each in (_ASKED | _DISPLAYED).items()}
    | {"window": "a grey scale", "invert": "a grey scale", "place": "a place"}
    | {"layout": "a layout", "panels": "a layout"}
)
"""The parameters of a link, and what each of them names."""


@dataclass(frozen=True)
class Link:
    """The settings that a link names, as far as the page offers them.

    Attributes:
        asked: the question.
        display: settings for `viewer.apply`; the window may be {"number"}, an index of the
            radiograph's windows.
        example: index in `example_files`, or None.
        comparison: the second answer to show beside the first one, or None.
        note: a sentence on settings that the page does not offer; "" if it offers all.
    """

    asked: PageQuestion
    display: dict[str, Any] = field(default_factory=dict)
    example: int | None = None
    comparison: Comparison | None = None
    note: str = ""


def write_link(asked: PageQuestion, example: int | None = None) -> str:
    """Write a question as the beginning of a query string; the browser adds the display.

    Args:
        asked: the question, with its class.
        example: index in `example_files`; None if the radiograph is no example.

    Returns:
        The query string, without "?"; it contains no data of the radiograph.
    """
    said: dict[str, object] = {"model": asked.model}
    for name, asks in _ASKED.items():
        value = getattr(asked.question, asks.name)
        said[name] = int(value) if asks.kind is bool else value
    said["example"] = None if example is None else example + 1
    return urlencode({name: value for name, value in said.items() if value not in (None, 0)})


def read_link(query: str, models: Mapping[str, Classifier], examples: int) -> Link:
    """Read a query string, which is untrusted input.

    Args:
        query: the query string, with or without "?".
        models: the page's models by name, the default first.
        examples: number of examples.

    Returns:
        The settings that the page offers; other parameters are ignored.
    """
    pairs = _pairs(query.removeprefix("?"))
    if pairs is None:
        return Link(_usual(models), note="The link could not be read; the usual view is shown.")
    values = _Values(pairs)
    asked = _asked(values, models)
    display = _display(values)
    number = values.take("example", _whole(1, examples))
    example = None if number is None else number - 1
    comparison = values.take("compare", lambda text: read_comparison(text, asked.model, models))
    return Link(asked, display, example, comparison, _note(values.refused))


def _pairs(query: str) -> dict[str, str] | None:
    if len(query) > _LONGEST:
        return None
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS))
    except ValueError:
        return None


class _Values:
    """The values of a link, and the names of those that are refused."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.refused: list[str] = []

    def take(self, name: str, read: Callable[[str], Value | None]) -> Value | None:
        """Return the value read by `read`; None if it is absent or refused."""
        if name not in self._values:
            return None
        value = read(self._values[name])
        if value is None:
            self.refuse(name)
        return value

    def refuse(self, name: str) -> None:
        """Record that a value is refused."""
        self.refused.append(PARAMETERS[name])


def _usual(models: Mapping[str, Classifier]) -> PageQuestion:
    name = next(iter(models))
    return default_question(name, models[name])


def _asked(values: _Values, models: Mapping[str, Classifier]) -> PageQuestion:
    name = values.take("model", _one_of(models)) or next(iter(models))
    model = models[name]
    found = {
        asks.name: values.take(parameter, _reader(asks, model))
        for parameter, asks in _ASKED.items()
    }
    if found["contrast_with"] is not None:
        found["against"] = False  # a link has one question
        if found["contrast_with"] == found["class_name"]:
            values.refuse("vs")
            found["contrast_with"] = None
    known = {key: value for key, value in found.items() if value is not None}
    return default_question(name, model).changed(**known)


def _display(values: _Values) -> dict[str, Any]:
    found: dict[str, Any] = {
        shows.name: values.take(parameter, _reader(shows))
        for parameter, shows in _DISPLAYED.items()
    }
    found["view"] = values.take("place", _place)
    window = values.take("window", _window)
    arrangement = values.take("layout", _one_of(_LAYOUTS))
    shown = values.take("panels", _panels)
    layout = {"arrangement": arrangement, "shown": shown}
    found["layout"] = {key: value for key, value in layout.items() if value is not None} or None
    if values.take("invert", _one_of("1")):
        window = (window or {}) | {"inverted": True}
    return {
        name: value for name, value in (found | {"window": window}).items() if value is not None
    }


def _reader(field: Field, model: Classifier | None = None) -> Callable[[str], Any]:
    """Return the function that reads a field's value; fractions are whole per cents in a link."""
    if field.kind is float:
        return _whole(0, 100)
    if field.kind is bool:
        return lambda text: True if text == "1" else None
    return _one_of(field.fixed_choices if model is None else field.offered(model))


def _one_of(offered: Iterable[str]) -> Callable[[str], str | None]:
    known = list(offered)
    return lambda text: text if text in known else None


def _whole(least: int, most: int) -> Callable[[str], int | None]:
    """Return a function that reads a whole number within bounds."""

    def read(text: str) -> int | None:
        plain = text.isascii() and text.isdigit() and len(text) <= len(str(most))
        return int(text) if plain and least <= int(text) <= most else None

    return read


def _numbers(text: str, count: int) -> list[float] | None:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _place(text: str) -> dict[str, float] | None:
    numbers = _numbers(text, 3)
    if numbers is None:
        return None
    x, y, zoom = numbers
    is_place = 0 <= x <= 1 and 0 <= y <= 1 and 0 < zoom <= _LARGEST_ZOOM
    return {"x": x, "y": y, "zoom": zoom} if is_place else None


def _panels(text: str) -> list[str] | None:
    """Read the visible panels, the large one first."""
    shown = text.split(",")
    is_known = set(shown) <= set(_PANELS) and len(set(shown)) == len(shown)
    return shown if is_known else None


def _window(text: str) -> dict[str, Any] | None:
    number = _whole(1, _MOST_WINDOWS)(text)
    if number is not None:
        return {"number": number}
    ends = _numbers(text, 2)
    if ends is None or ends[0] == ends[1] or max(map(abs, ends)) > _WIDEST_WINDOW:
        return None
    return {"low": ends[0], "high": ends[1]}


def _note(refused: list[str]) -> str:
    """Return a sentence on the refused settings, which quotes no part of the link."""
    named = list(dict.fromkeys(refused))
    if not named:
        return ""
    if len(named) == 1:
        return f"The link named {named[0]} that is not offered; the usual one is shown."
    listed = f"{', '.join(named[:-1])} and {named[-1]}"
    return f"The link named {listed} that are not offered; the usual ones are shown."
