"""What the page's own Gradio components have in common."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

from gradio.component_meta import ComponentMeta, updateable


class OwnComponent(ComponentMeta):
    """Makes subclasses of Gradio's components, which inherit all events, without a type stub.

    Gradio writes a stub beside the module of every component; type checkers would then read it
    in place of the module.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> type:
        """Make the class as Python does; remember its arguments as Gradio does."""
        if "__init__" in attributes:
            attributes["__init__"] = updateable(attributes["__init__"])  # type: ignore[no-untyped-call]
        return ABCMeta.__new__(cls, name, bases, attributes)
