"""The common base of the page's own Gradio components."""

from __future__ import annotations

from abc import ABCMeta
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta, updateable
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles


class OwnComponent(ComponentMeta):
    """A metaclass for subclasses of Gradio's components without a type stub.

    Gradio writes a stub beside the module of every component; type checkers would then read the
    stub instead of the module.
    """

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> type:
        """Create the class as Python does; record its arguments as Gradio does."""
        if "__init__" in attributes:
            attributes["__init__"] = updateable(attributes["__init__"])  # type: ignore[no-untyped-call]
        return ABCMeta.__new__(cls, name, bases, attributes)


class RadioField(gr.Radio, metaclass=OwnComponent):
    """Choices side by side; the value is checked when it is used.

    Gradio refuses a value that the field no longer offers. But a reader may choose while another
    model's classes are being sent, and later steps of an event get the value at its start.
    """

    is_template = True  # the browser shows Gradio's own field

    def preprocess(self, payload: str | int | float | None) -> str | int | float | None:
        """Return what was chosen, whether it is still offered or not."""
        return payload


class DropdownField(gr.Dropdown, metaclass=OwnComponent):
    """Choices in a searchable list; the value is checked as for `RadioField`."""

    is_template = True

    def preprocess(self, payload: object) -> object:  # type: ignore[override]
        """Return what was chosen, whether it is still offered or not."""
        return payload


def code_of(name: str, folder: Path) -> Route:
    """Return the route that serves a component's code.

    A mounted `StaticFiles` finds no file below a root path that a proxy has removed.

    Args:
        name: the folder's name in addresses.
        folder: the folder of the files.
    """
    files = StaticFiles(directory=folder)

    async def send(request: Request) -> Response:
        return await files.get_response(request.path_params["file"], request.scope)

    return Route(f"/{name}/{{file:path}}", send)
