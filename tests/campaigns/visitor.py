"""A visitor of the page who speaks Gradio's queue protocol, as the browser does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

JSON = dict[str, Any]
_VIEW = -1  # the viewer is the last of what a file's event gives


@dataclass
class Page:
    """What a page says of its events.

    Attributes:
        client: with the page's address.
        events: the number of each event, by its name.
        controls: what the controls hold at first: model, class, question, method, detail.
    """

    client: httpx.AsyncClient
    events: dict[str, int]
    controls: list[Any]

    @classmethod
    async def of(cls, client: httpx.AsyncClient) -> Page:
        """Ask the page."""
        config = (await client.get("/config")).raise_for_status().json()
        values = {each["id"]: each["props"].get("value") for each in config["components"]}
        events = {each["api_name"]: each for each in config["dependencies"]}
        controls = [values[number] for number in events["change_class"]["inputs"][1:]]
        return cls(client, {name: each["id"] for name, each in events.items()}, controls)


@dataclass
class Visitor:
    """Somebody who has the page open.

    Attributes:
        page: the page.
        session: what Gradio tells its visitors apart by.
    """

    page: Page
    session: str = field(default_factory=lambda: token_hex(8))

    async def upload(self, data: bytes, name: str = "film.png") -> JSON:
        """Send a file, and return how it is named to an event."""
        answer = await self.page.client.post("/gradio_api/upload", files={"files": (name, data)})
        [path] = answer.raise_for_status().json()
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    async def messages(self, event: str, first: list[Any], **asked: Any) -> AsyncIterator[JSON]:
        """Yield what an event says, one message after the other, until it is done."""
        names = ("model", "class_name", "question", "method", "detail")
        controls = dict(zip(names, self.page.controls, strict=True)) | asked
        body = {
            "data": [*first, *controls.values()],
            "fn_index": self.page.events[event],
            "session_hash": self.session,
        }
        joined = await self.page.client.post("/gradio_api/queue/join", json=body)
        number = joined.raise_for_status().json()["event_id"]
        listening = self.page.client.stream(
            "GET", "/gradio_api/queue/data", params={"session_hash": self.session}
        )
        async with listening as stream:
            async for line in stream.aiter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("event_id") == number:
                    yield message
                if message.get("msg") in ("process_completed", "close_stream"):
                    return

    async def open(self, data: bytes) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Open a file; return its stored values and its map, as the browser fetches them."""
        original: NDArray[Any] | None = None
        async for message in self.messages("open_upload", [[await self.upload(data)], None]):
            if message["msg"] == "process_generating" and original is None:
                original = await self._pixels(message["output"]["data"][_VIEW]["original"])
        assert original is not None
        return original, await self._map(message)

    async def ask(self, event: str, **asked: Any) -> NDArray[np.uint8] | None:
        """Ask something else of what is open; return its map, None where a newer question came."""
        async for last in self.messages(event, [None], **asked):
            message = last
        view = next(
            (
                each
                for each in message["output"]["data"]
                if isinstance(each, dict) and "heatmap" in each
            ),
            None,
        )
        return None if view is None else await self._pixels(view["heatmap"])

    async def _map(self, message: JSON) -> NDArray[np.uint8]:
        if not message["success"]:
            raise RuntimeError(message["output"].get("error"))
        return await self._pixels(message["output"]["data"][_VIEW]["heatmap"])

    async def _pixels(self, announced: JSON) -> NDArray[Any]:
        answer = await self.page.client.get(f"/pixels/{announced['name']}")
        kind = np.dtype(f"<u{announced['bits'] // 8}")
        shape = announced["height"], announced["width"]
        return np.frombuffer(answer.raise_for_status().content, kind).reshape(shape)
