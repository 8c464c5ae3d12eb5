"""Headers of every response, and which scripts a page may run."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cxr_gradcam import ResNet50FineTuned
from cxr_gradcam.web.page import Page
from cxr_gradcam.web.security import (
    FRAMED_BY,
    SecurityHeaders,
    content_security_policy,
    framing_origins,
)


def hashed(script: bytes) -> str:
    return f"'sha256-{b64encode(sha256(script).digest()).decode()}'"


def directive(policy: str, name: str) -> list[str]:
    [sources] = [each.split()[1:] for each in policy.split("; ") if each.split()[0] == name]
    return sources


def client(answer: Response) -> TestClient:
    def endpoint(_: Request) -> Response:
        return answer

    routes = [Route("/", endpoint)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(SecurityHeaders)]))


@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_every_response_has_the_headers(path: str) -> None:
    headers = client(PlainTextResponse("x")).get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert directive(policy, "default-src") == ["'self'"]
    assert directive(policy, "object-src") == ["'none'"]
    assert "'unsafe-inline'" not in directive(policy, "script-src")


def test_a_space_may_frame_the_page_and_another_site_may_not() -> None:
    allowed = directive(content_security_policy(), "frame-ancestors")
    assert {"'self'", "https://huggingface.co", "https://*.hf.space"} <= set(allowed)
    assert "*" not in allowed
    assert "https:" not in allowed


def test_of_inline_scripts_those_of_the_page_run() -> None:
    inline = b'<SCRIPT>\nfirst()</SCRIPT><p>x</p><script type="module">2</script>'
    html = b'<script src="a.js"></script>' + inline
    scripts = directive(content_security_policy(html), "script-src")
    assert scripts[2:] == [hashed(b"\nfirst()"), hashed(b"2")]


def test_a_page_sent_in_pieces_arrives_whole() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"<p>a</p><scr", b"ipt>start()</script>", b"<p>b</p>"):
            yield piece

    answer = client(StreamingResponse(pieces(), media_type="text/html")).get("/")
    assert answer.text == "<p>a</p><script>start()</script><p>b</p>"
    assert hashed(b"start()") in answer.headers["content-security-policy"]


def test_what_is_no_page_is_sent_as_it_comes() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"

    answer = client(StreamingResponse(pieces(), media_type="text/event-stream")).get("/")
    assert answer.text == "data: 1\n\ndata: 2\n\n"


def test_a_head_without_a_body_is_answered() -> None:
    answer = client(HTMLResponse("<p>x</p>")).head("/")
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_itself_is_launched_with_them(shared_model: ResNet50FineTuned) -> None:
    page = Page(shared_model)
    app, _, _ = page.launch(prevent_thread_lock=True, quiet=True)
    try:
        with TestClient(app) as visitor:
            for path in ("/", "/config", "/theme.css", "/viewer/main.js", "/gradio_api/file=/x"):
                headers = visitor.get(path).headers
                assert headers["x-content-type-options"] == "nosniff", path
                assert "frame-ancestors" in headers["content-security-policy"], path
            for path in ("/", "/viewer/main.js"):
                answer = visitor.get(path)
                assert answer.headers["content-encoding"] == "gzip", path
                assert int(answer.headers["content-length"]) < len(answer.content) / 2, path
    finally:
        page.close()


def test_websites_that_the_operator_names_may_frame_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(FRAMED_BY, "https://www.example.org  http://intranet:8080")
    allowed = directive(content_security_policy(), "frame-ancestors")
    assert allowed[-2:] == ["https://www.example.org", "http://intranet:8080"]
    assert "'self'" in allowed


@pytest.mark.parametrize("named", ["*", "www.example.org", "https://a;script-src *", "'none'"])
def test_what_is_no_website_may_not(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv(FRAMED_BY, named)
    with pytest.raises(ValueError, match=FRAMED_BY):
        framing_origins()
