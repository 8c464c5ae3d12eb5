"""Gradio's login, asked by the routes that are not Gradio's own."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send


def behind_login(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    """Return routes that answer those who have logged in, where the page asks for a login.

    Args:
        routes: of the page.
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
    """ASGI middleware in front of one route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        if not await _is_welcome(Request(scope)):
            answer = PlainTextResponse("Log in first.", 401)
        await answer(scope, receive, send)


async def _is_welcome(request: Request) -> bool:
    """Ask what Gradio's routes ask (`login_check` in gradio/routes.py)."""
    app = request.app
    if getattr(app, "auth_dependency", None) is not None:
        user = app.auth_dependency(request)
        return (await user if inspect.isawaitable(user) else user) is not None
    if getattr(app, "auth", None) is None:
        return True
    names = f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}"
    return any(request.cookies.get(name) in app.tokens for name in names)
