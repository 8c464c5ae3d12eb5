"""Descriptions of the user's settings, from which each interface makes its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cxr_gradcam.models.classifier import Classifier

Choices = Sequence[str] | Callable[[Classifier], Sequence[str]]
"""The values to choose from, or how to get them from the model."""


@dataclass(frozen=True)
class Field:
    """One setting, as command line, API, MCP tools, links and page offer it.

    Args:
        name: the attribute of `Question` or `Display`, and the argument of the API.
        kind: `str` for a name, `bool` for a switch, `float` for a share in [0, 1].
        default: the default value; None if it depends on the radiograph.
        help: what the setting does, in one phrase without a full stop.
        noun: the word for a value in messages, with its article.
        options: the names on the command line, without dashes, the usual one first.
        parameter: the name in a link; None if links do not contain the setting.
        choices: the values to choose from; None if every value of the kind is possible.
    """

    name: str
    kind: type[str] | type[bool] | type[float]
    default: str | bool | float | None
    help: str
    noun: str
    options: tuple[str, ...]
    parameter: str | None = None
    choices: Choices | None = None

    @property
    def fixed_choices(self) -> tuple[str, ...]:
        """The values to choose from, if they are the same for every model; else empty."""
        return () if self.choices is None or callable(self.choices) else tuple(self.choices)

    def offered(self, model: Classifier) -> tuple[str, ...]:
        """Return the values to choose from for a model; empty if there is no list."""
        return tuple(self.choices(model)) if callable(self.choices) else self.fixed_choices

    def check(self, value: object) -> None:
        """Refuse a value that fits no model.

        Raises:
            ValueError: the value is not among the fixed choices, or is not a number from 0 to 1.
        """
        if self.kind is float:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ValueError(f"{self.name} is a number from 0 to 1, not {value!r}")
        elif self.fixed_choices and value not in self.fixed_choices:
            raise ValueError(
                f"no {self.noun.split(' ', 1)[-1]} {value!r}: choose from "
                f"{', '.join(self.fixed_choices)}"
            )
