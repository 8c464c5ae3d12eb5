"""Additions to Gradio's server: interfaces for programs, limits, and a clean shutdown."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.state_holder import SessionState
from gradio.utils import get_upload_folder
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute

from cxr_gradcam.models.classifier import Classifier
from cxr_gradcam.web.api.answers import Answers
from cxr_gradcam.web.api.endpoints import Endpoints
from cxr_gradcam.web.api.requests import BodyLimit, CallErrors
from cxr_gradcam.web.expiring_store import ExpiringStore, expiring
from cxr_gradcam.web.failures import GONE
from cxr_gradcam.web.security import SecurityHeaders, behind_login
from cxr_gradcam.web.uploads import Uploads

_NOT_OFFERED = "The page does not offer what was asked: reload it, and open the X-ray again."
_MEMORY_PAUSE = 20.0  # seconds between two returns of free memory
# Gradio checks for events a thousand times a second, which takes 7 % of a core when idle.
_SECONDS_BETWEEN_LOOKS = 0.01
_MAX_QUEUE = 200  # waiting events; each may hold a request of `MAX_BODY`


class Service:
    """The endpoints of a page, and the settings of its server.

    Args:
        models: models by name, with Grad-CAM enabled.
        uploads: the store of uploaded files.
    """

    def __init__(self, models: Mapping[str, Classifier], uploads: Uploads) -> None:
        self._models, self._uploads, self._answers = models, uploads, Answers(models)
        self.endpoints = Endpoints(models, self._answers, uploads)

    def settings(
        self, routes: Iterable[BaseRoute], stores: Iterable[ExpiringStore[Any]], *, mcp: bool
    ) -> dict[str, Any]:
        """Return the arguments of the server's application, for one launch.

        Args:
            routes: routes of the page; they require a login if the page does.
            stores: stores of items that wait to be fetched, and expire.
            mcp: serve the endpoints as tools of the Model Context Protocol too.
        """
        routes, serving = [*self._uploads.routes, *routes], _nothing
        if mcp:
            from cxr_gradcam.web.api.tools import Tools

            tools = Tools(self._models, self._answers, self._uploads)
            routes, serving = [*routes, *tools.routes], tools.serving
        return {
            "routes": behind_login(routes),
            "middleware": [
                Middleware(GZipMiddleware, minimum_size=1000, compresslevel=6),
                Middleware(SecurityHeaders),
                Middleware(BodyLimit),
                Middleware(CallErrors, endpoints=self.endpoints.takes),
            ],
            "lifespan": self._lifespan(tuple(stores), serving),
        }

    def _lifespan(
        self,
        stores: tuple[ExpiringStore[Any], ...],
        serving: Callable[[], AbstractAsyncContextManager[None]],
    ) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            self._uploads.remove_left(Path(get_upload_folder()))
            async with AsyncExitStack() as stack:
                stack.callback(self._uploads.clear)
                pictures = self.endpoints.pictures.store
                await stack.enter_async_context(expiring(pictures, *stores))
                await stack.enter_async_context(giving_back())
                await stack.enter_async_context(serving())
                yield

        return lifespan


class ServedBlocks(gr.Blocks):
    """Blocks whose endpoints get unprocessed values, and whose events get only offered values.

    Args:
        settings: arguments for `gr.Blocks`.

    Attributes:
        uploads: the files that events may name.
    """

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as in Gradio
        super().__init__(**settings)
        self.uploads = Uploads()
        self.queue(max_size=_MAX_QUEUE)
        self._queue.sleep_when_free = _SECONDS_BETWEEN_LOOKS

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],
        state: SessionState | None,
        explicit_call: bool = False,
    ) -> list[Any]:
        """Return an event's arguments; missing ones of an endpoint are None.

        Gradio would download addresses in the arguments, and log refused paths and values.
        """
        takes = len(block_fn.inputs)
        if not block_fn.preprocess:
            inputs = [*inputs, *[None] * (takes - len(inputs))]
        if len(inputs) < takes or (len(inputs) > takes and not block_fn.preprocess):
            words = f"{len(inputs)} values came for {takes} arguments: see the API view."
            raise gr.Error(words, print_exception=False)
        if not block_fn.preprocess:
            return inputs
        if not self.uploads.knows(inputs):
            raise gr.Error(GONE, print_exception=False)
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)  # type: ignore[no-any-return]
        except Exception as error:
            raise gr.Error(_NOT_OFFERED, print_exception=False) from error


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def giving_back(every: float = _MEMORY_PAUSE) -> AsyncIterator[None]:
    """Return free memory to the system repeatedly.

    Args:
        every: seconds between two returns.
    """

    async def repeat() -> None:
        while await asyncio.to_thread(give_back):
            await asyncio.sleep(every)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()


def give_back() -> bool:
    """Return free memory to the system.

    glibc keeps free memory separately for each thread, so that memory of one visitor's picture is
    not reused for a picture read by another thread.

    Returns:
        Whether it was possible: other C libraries have no such call.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return False
    return True
