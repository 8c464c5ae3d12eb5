"""Access to the page's routes, and the security headers for browsers."""

from __future__ import annotations

import inspect
import os
import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FRAMED_BY = "CXR_GRADCAM_FRAMED_BY"
"""The environment variable that names further websites that may show the page in a frame."""

# A Space shows the page in a frame; so does a notebook, on another port of the same machine.
_FRAMES = "https://huggingface.co https://*.hf.space http://localhost:* http://127.0.0.1:*"
_ORIGIN = re.compile(r"https?://(\*\.)?[a-z0-9.-]+(:(\d+|\*))?", re.IGNORECASE)

_POLICY = {
    "default-src": "'self'",
    # Gradio makes functions from the events' JavaScript, which is text in its configuration.
    "script-src": "'self' 'unsafe-eval'",
    # Gradio's components have inline styles, as elements and attributes.
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
_INLINE_SCRIPT = re.compile(rb"<script\b[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)


class SecurityHeaders:
    """ASGI middleware that adds the headers to every response.

    Only scripts that the server has sent with the page can run: the policy names each by its hash.
    HTML that is added to the page later cannot run scripts.

    Args:
        app: the next application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            send = _Sender(send)
        await self._app(scope, receive, send)


class _Sender:
    """Send one response; an HTML page in one piece, since its headers depend on its scripts."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
            _add_headers(headers, b"")
        elif self._start is not None:
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            _add_headers(MutableHeaders(scope=self._start), self._body)
            await self._send(self._start)
            message = {"type": "http.response.body", "body": self._body}
        await self._send(message)


def _add_headers(headers: MutableHeaders, html: bytes) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Content-Security-Policy"] = content_security_policy(html)


def content_security_policy(html: bytes = b"") -> str:
    """Return the policy of a response.

    Args:
        html: the page, if the response is one: its inline scripts are allowed by their hashes.

    Returns:
        The header's value (Content Security Policy Level 3).

    Example:
        >>> "'sha256-" in content_security_policy(b"<script>start()</script>")
        True
    """
    scripts = filter(None, _INLINE_SCRIPT.findall(html))
    hashes = [f"'sha256-{b64encode(sha256(each).digest()).decode()}'" for each in scripts]
    policy = _POLICY | {
        "script-src": " ".join([_POLICY["script-src"], *hashes]),
        "frame-ancestors": " ".join(["'self'", _FRAMES, *framing_origins()]),
    }
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


def framing_origins() -> list[str]:
    """Return the origins in `FRAMED_BY`: websites that may show the page in a frame.

    Raises:
        ValueError: an entry is not an origin.
    """
    origins = os.environ.get(FRAMED_BY, "").split()
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{FRAMED_BY} names {origin!r}, which is no origin: write the scheme and the host "
                "of each website, as https://www.example.org, with blanks between"
            )
    return origins


def behind_login(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    """Return routes that require a login if the page does.

    Args:
        routes: routes of the page.
    """
    return [
        Route(
            route.path,
            route.endpoint,
            methods=list(route.methods or ()) or None,
            middleware=[Middleware(_LoginRequired)],
        )
        if isinstance(route, Route)
        else route
        for route in routes
    ]


class _LoginRequired:
    """ASGI middleware that requires a login for one route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        if not await _is_welcome(Request(scope)):
            answer = PlainTextResponse("Log in first.", 401)
        await answer(scope, receive, send)


async def _is_welcome(request: Request) -> bool:
    """Check the login as Gradio's routes do (`login_check` in gradio/routes.py)."""
    app = request.app
    if getattr(app, "auth_dependency", None) is not None:
        user = app.auth_dependency(request)
        return (await user if inspect.isawaitable(user) else user) is not None
    if getattr(app, "auth", None) is None:
        return True
    names = f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}"
    return any(request.cookies.get(name) in app.tokens for name in names)
