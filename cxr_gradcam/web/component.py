"""What the page's own Gradio components have in common."""

from __future__ import annotations

from abc import ABCMeta
from pathlib import Path
from typing import Any

from gradio.component_meta import ComponentMeta, updateable
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles


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


def code_of(name: str, folder: Path) -> Route:
    """Return the route that serves a component's code.

    A mounted `StaticFiles` finds nothing below a root path that the proxy in front has taken off.

    Args:
        name: the folder's name in addresses.
        folder: where the files lie.
    """
    files = StaticFiles(directory=folder)

    async def send(request: Request) -> Response:
        return await files.get_response(request.path_params["file"], request.scope)

    return Route(f"/{name}/{{file:path}}", send)
