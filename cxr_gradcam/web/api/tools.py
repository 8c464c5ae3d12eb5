"""The endpoints as tools of the Model Context Protocol, by its own SDK.

Gradio can make tools of endpoints too; but it keeps the files of a call on disk, and writes records
as Python text. Here a call leaves no files, and its record is JSON.
"""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from inspect import getdoc
from io import BytesIO
from typing import Annotated, Any, Literal

import anyio.from_thread
import anyio.to_thread
import cv2
import numpy as np
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from PIL import Image
from pydantic import Field, StrictStr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.imaging.rendering import RGBImage
from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.api.answers import Answers, error_message
from cxr_gradcam.web.api.arguments import (
    ArgumentError,
    Arguments,
    Declared,
    Schema,
    model_argument,
)
from cxr_gradcam.web.api.endpoints import Endpoints, explain_arguments
from cxr_gradcam.web.api.files import received
from cxr_gradcam.web.uploads import Uploads

PATH = "/gradio_api/mcp"
"""The address of the tools, the same as Gradio's."""

# Warnings of the SDK would contain invented tool names from clients.
logging.getLogger("mcp.server.lowlevel.server").setLevel(logging.ERROR)

MAX_WAITING: int = 16
"""Greatest number of waiting calls; further clients are asked to try again."""

_FILE: Declared = {
    "file": (
        StrictStr,
        Field(
            description="The chest X-ray: DICOM, PNG, JPEG, TIFF, BMP or WebP. Either its bytes in "
            "base64 (also as a data: URL), for files up to 3 MB; or what POST /gradio_api/upload "
            "answered to the file, for larger ones."
        ),
    )
}
_PICTURES: Declared = {
    "pictures": (
        list[Literal["original", "heatmap", "overlay"]],
        Field(["overlay"], description="Which pictures come back, as PNG."),
    ),
    "longest_side": (
        Annotated[int, Field(ge=64, le=4096)],
        Field(
            1024, description="Larger pictures are shrunk to so many pixels at their longer side."
        ),
    ),
}
_INSTRUCTIONS = (
    "Show what a classifier of chest X-rays sees, and where. Call `models` first: it names classes "
    "and methods. A heat map shows where the model looked, not where the disease is. Not for "
    "clinical use."
)


class Tools:
    """The tools `explain`, `classify` and `models`, for one launch of a page.

    No data of a call is kept.

    Args:
        models: models by name, with Grad-CAM enabled.
        answers: the answers by these models.
        uploads: the store of uploaded files.
    """

    def __init__(
        self, models: Mapping[str, Classifier], answers: Answers, uploads: Uploads
    ) -> None:
        self._answers, self._uploads = answers, uploads
        self._turns, self._calls = anyio.CapacityLimiter(1), 0
        self._arguments = {
            "explain": Arguments(_FILE | explain_arguments(models) | _PICTURES),
            "classify": Arguments(_FILE | model_argument(models)),
            "models": Arguments({}),
        }
        self._server: Server[Any, Any] = Server("Chest X-ray viewer", instructions=_INSTRUCTIONS)
        self._server.list_tools()(self._listed)  # type: ignore[no-untyped-call]
        self._server.call_tool(validate_input=False)(self._called)
        self._manager = StreamableHTTPSessionManager(self._server, stateless=True)

    @property
    def routes(self) -> list[Route]:
        """The route for clients, with a separate session per request; and a list of the tools.

        The page's API view and Hugging Face use this list to show a Space's tools.
        """
        called = [Route(path, self, methods=["POST"]) for path in (PATH, f"{PATH}/")]
        return [*called, Route(f"{PATH}/schema", self._described)]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve the tools while the page runs."""
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._manager.handle_request(scope, receive, send)

    async def _listed(self) -> list[types.Tool]:
        return self._tools(self._server.request_context.request)

    def _described(self, request: Request) -> JSONResponse:
        """Answer like Gradio's own MCP server."""
        return JSONResponse(
            [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "inputSchema": tool.inputSchema,
                    "meta": {
                        "file_data_present": "file" in tool.inputSchema["properties"],
                        "mcp_type": "tool",
                        "endpoint_name": tool.name,
                    },
                }
                for tool in self._tools(request)
            ]
        )

    def _tools(self, request: Request | None) -> list[types.Tool]:
        """Return the tools, or only those named by `?tools=` in the address."""
        chosen = None if request is None else request.query_params.get("tools")
        return [
            types.Tool(
                name=name,
                description=getdoc(getattr(Endpoints, name)),
                inputSchema=_input_schema(arguments.schemas),
                annotations=types.ToolAnnotations(readOnlyHint=True, openWorldHint=False),
            )
            for name, arguments in self._arguments.items()
            if chosen is None or name in chosen.split(",")
        ]

    async def _called(
        self, name: str, arguments: dict[str, Any]
    ) -> tuple[list[types.ContentBlock], dict[str, Any]]:
        progress = _progress_of(self._server)
        if name not in self._arguments:
            raise ArgumentError(f"There are the tools {', '.join(self._arguments)}.")
        try:
            asked = self._arguments[name].check(arguments)
            if name == "models":
                return _content(self._answers.models(), [])
            with self._in_turn():
                answer = partial(self._answer, name, asked, progress)
                return await anyio.to_thread.run_sync(answer, limiter=self._turns)
        except Exception as error:
            raise ArgumentError(error_message(error)) from None

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._calls > MAX_WAITING:
            raise ArgumentError("Too many calls are waiting. Try again soon.")
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1

    def _answer(
        self, name: str, asked: Mapping[str, Any], progress: Progress
    ) -> tuple[list[types.ContentBlock], dict[str, Any]]:
        data = received(asked["file"], self._uploads)
        if name == "classify":
            return _content(self._answers.classify(data, asked["model"]), [])
        made = self._answers.explain(data, asked, progress)
        wanted = [made.pictures[picture] for picture in asked["pictures"]]
        return _content(made.record, [_shrunk(each, asked["longest_side"]) for each in wanted])


def _input_schema(schemas: Mapping[str, Schema]) -> dict[str, Any]:
    required = [name for name, schema in schemas.items() if "default" not in schema]
    return {
        "type": "object",
        "properties": {name: _without_null(schema) for name, schema in schemas.items()},
        "required": required,
        "additionalProperties": False,
    }


def _without_null(schema: Schema) -> Schema:
    """Remove a default that is not of the argument's type."""
    return {key: value for key, value in schema.items() if value is not None}


def _content(
    record: dict[str, Any], pictures: list[RGBImage]
) -> tuple[list[types.ContentBlock], dict[str, Any]]:
    """Return a record as text and as data, and pictures."""
    text = types.TextContent(type="text", text=json.dumps(record))
    return [text, *map(_image, pictures)], record


def _image(picture: RGBImage) -> types.ImageContent:
    packed = BytesIO()
    Image.fromarray(picture).save(packed, "PNG")
    data = b64encode(packed.getvalue()).decode("ascii")
    return types.ImageContent(type="image", data=data, mimeType="image/png")


def _shrunk(picture: RGBImage, longest_side: int) -> RGBImage:
    height, width = picture.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _progress_of(server: Server[Any, Any]) -> Progress:
    """Return a function that reports progress to the client, from the answering thread."""
    context = server.request_context
    token = None if context.meta is None else context.meta.progressToken
    sent_before = -1

    def report(done: int, total: int) -> None:
        nonlocal sent_before
        anyio.from_thread.check_cancelled()  # raises if the client has cancelled
        share = 100 * done // total
        if token is not None and share > sent_before:
            sent_before = share
            send = partial(
                context.session.send_progress_notification,
                token,
                share,
                100,
                related_request_id=str(context.request_id),
            )
            anyio.from_thread.run(send)

    return report
