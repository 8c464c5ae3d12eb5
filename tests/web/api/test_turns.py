"""Calls of tools wait for each other, up to a bound; who gives up lets the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from threading import Event, Thread
from typing import Any

import pytest
import uvicorn
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette

from cxr_gradcam.cam.perturbation_methods import Progress
from cxr_gradcam.web.api.answers import Answers, Explained
from cxr_gradcam.web.api.tools import MAX_WAITING, Tools
from cxr_gradcam.web.uploads import Uploads
from tests.helpers.findings import eighteen_findings
from tests.helpers.patience import PATIENCE
from tests.helpers.threads import in_thread

FILE = "aGVsbG8="


class Endless(Answers):
    """Answers that are never ready."""

    def __init__(self) -> None:
        super().__init__({"model": eighteen_findings()})
        self.began, self.ended = Event(), Event()

    def explain(self, _data: bytes, _asked: Any, progress: Progress | None = None) -> Explained:
        self.began.set()
        try:
            while not self.ended.wait(0.01):
                progress(0, 1)
        finally:
            self.ended.set()


@pytest.fixture
def answers() -> Endless:
    return Endless()


@pytest.fixture
def address(answers: Endless) -> Iterator[str]:
    tools = Tools({"model": eighteen_findings()}, answers, Uploads())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> Any:
        async with tools.serving():
            yield

    app = Starlette(routes=tools.routes, lifespan=lifespan)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        pass
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/gradio_api/mcp"
    answers.ended.set()
    server.should_exit = True
    thread.join()


async def call(address: str, tool: str) -> Any:
    async with (
        streamable_http_client(address) as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        return await session.call_tool(tool, {"file": FILE})


def test_a_call_that_nobody_waits_for_ends(address: str, answers: Endless) -> None:
    async def give_up() -> None:
        asked = asyncio.create_task(call(address, "explain"))
        await asyncio.to_thread(answers.began.wait, PATIENCE)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)

    in_thread(asyncio.run, give_up())
    assert answers.ended.wait(PATIENCE)


def test_so_many_calls_wait_and_no_more(address: str) -> None:
    async def crowd() -> str:
        asked = [asyncio.create_task(call(address, "explain")) for _ in range(MAX_WAITING + 2)]
        done, _ = await asyncio.wait(asked, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        return done.pop().result().content[0].text

    assert in_thread(asyncio.run, crowd()) == "Too many calls are waiting. Try again soon."
