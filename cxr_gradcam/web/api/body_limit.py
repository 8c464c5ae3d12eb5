"""A bound on requests that are no uploads: they wait in memory, and their queue has no end."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_BODY: int = 4 * 1024 * 1024
"""Bytes of a request to Gradio; files come by the upload route, which has a bound of its own."""


class BodyLimit:
    """ASGI middleware that refuses larger bodies before they are read.

    The server takes no more than the announced length; what comes without one is refused too.

    Args:
        app: what answers.
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
