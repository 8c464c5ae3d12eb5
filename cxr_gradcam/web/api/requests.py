"""Middleware before Gradio: a size limit for requests, and messages instead of bare errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from gradio.route_utils import FnIndexInferError
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxr_gradcam.web.failures import reason

MAX_BODY: int = 4 * 1024 * 1024
"""Greatest size of a request to Gradio, kept in memory, in bytes; uploads have another limit."""

_CALL = re.compile(r"/gradio_api/(call|call/v2|run|api)/([^/]+)/?$")
_BY_PROGRAMS = {"call", "call/v2"}
"""The page's own events use other routes."""


class BodyLimit:
    """ASGI middleware that refuses larger bodies before they are read.

    The server reads no more than the stated length; requests without one are refused too.

    Args:
        app: the next application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        answer = self._app
        if scope["type"] == "http" and _is_event(scope["path"]):
            headers = Headers(scope=scope)
            if "transfer-encoding" in headers:
                answer = PlainTextResponse("The length of the request must be announced.", 411)
            elif int(headers.get("content-length") or 0) > MAX_BODY:
                answer = PlainTextResponse(
                    f"A request has {MAX_BODY:,} bytes at most: send files to the upload route.",
                    413,
                )
        await answer(scope, receive, send)


def _is_event(path: str) -> bool:
    return "/gradio_api/" in path and not path.rstrip("/").endswith("/gradio_api/upload")


class CallErrors:
    """ASGI middleware that says in a sentence what is wrong with a call.

    Events of the page are not endpoints: programs cannot call them by their names.

    Args:
        app: the next application.
        endpoints: the arguments of each endpoint, by its name.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Iterable[str]]) -> None:
        self._app, self._endpoints = app, endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        call = _CALL.search(scope["path"]) if scope["type"] == "http" else None
        if call is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
        elif call[1] in _BY_PROGRAMS and call[2] not in self._endpoints:
            await self._unknown()(scope, receive, send)
        else:
            await self._called(call[2], scope, receive, send)

    async def _called(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def begin(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, begin)
        except Exception as error:
            if has_begun:
                raise
            await self._answer(name, error)(scope, receive, send)

    def _answer(self, name: str, error: Exception) -> JSONResponse:
        if isinstance(error, FnIndexInferError):
            return self._unknown()
        if isinstance(error, TypeError) and name in self._endpoints:
            arguments = ", ".join(self._endpoints[name]) or "none"
            words = f"{name} takes a JSON object of these arguments, file in any case: {arguments}."
            return JSONResponse({"error": words}, 422)
        return JSONResponse({"error": reason(error)}, 500)

    def _unknown(self) -> JSONResponse:
        return JSONResponse({"error": f"The endpoints are {', '.join(self._endpoints)}."}, 404)
