"""Files that the page makes when they are asked for: in memory, and sent once."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cxr_gradcam.web.held import Held

_BUDGET = 200_000_000  # bytes that wait to be fetched


@dataclass(frozen=True)
class Download:
    """A file to be fetched.

    Attributes:
        data: what stands in it.
        file_name: what the browser calls it; nothing of the patient.
        media_type: as HTTP names it.
    """

    data: bytes
    file_name: str
    media_type: str


class Downloads:
    """Holds files for minutes until they are fetched, each once, under unguessable names.

    Args:
        prefix: the first part of their addresses.
        budget: bytes held at most; the newest is held in any case.
    """

    def __init__(self, prefix: str, budget: int = _BUDGET) -> None:
        self._prefix = prefix
        self.held = Held[Download](lambda file: len(file.data), budget)

    @property
    def routes(self) -> list[Route]:
        """The route under which the browser fetches a file."""
        return [Route(f"/{self._prefix}/{{name}}", self.send)]

    def fetch(self, made: gr.events.Dependency, name: gr.Textbox) -> None:
        """Let the browser fetch what an event has put, by the name that it gave out."""
        made.then(
            None,
            name,
            None,
            js=f"""(name) => {{
              if (!name) return;
              const link = document.createElement("a");
              link.href = new URL(`{self._prefix}/${{name}}`, document.baseURI);
              link.download = "";
              link.click();
            }}""",
        )

    def put(self, file: Download) -> str:
        """Hold a file, and return its name."""
        return self.held.put(file)

    def send(self, request: Request) -> Response:
        """Send a file and forget it."""
        name = request.path_params["name"]
        file = self.held.get(name)
        if file is None:
            return Response(status_code=404)
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{file.file_name}"',
        }
        done = BackgroundTask(self.held.drop, name)
        return Response(file.data, 200, headers, file.media_type, done)
