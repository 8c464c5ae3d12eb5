"""What a client of the Model Context Protocol gets from the running page."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, TextContent
from PIL import Image

from cxr_gradcam import explain, read_radiograph
from cxr_gradcam.imaging.rendering import as_rgb, overlay
from tests.helpers.threads import in_thread
from tests.web.api.conftest import Running

Call = Callable[..., CallToolResult]


def in_session(address: str, ask: Callable[[ClientSession], Any]) -> Any:
    """Connect, introduce the client, and ask."""

    async def run() -> Any:
        async with (
            streamable_http_client(f"{address}gradio_api/mcp") as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            return await ask(session)

    return in_thread(asyncio.run, run())


@pytest.fixture
def call(running: Running) -> Call:
    def call(tool: str, progress: Any = None, **arguments: Any) -> CallToolResult:
        return in_session(
            running.address,
            lambda session: session.call_tool(tool, arguments, progress_callback=progress),
        )

    return call


@pytest.fixture
def sent(xray: Path) -> str:
    return b64encode(xray.read_bytes()).decode()


def picture(result: CallToolResult, number: int = 1) -> np.ndarray:
    content = result.content[number]
    assert isinstance(content, ImageContent)
    assert content.mimeType == "image/png"
    return np.asarray(Image.open(BytesIO(b64decode(content.data))))


def words(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def test_a_stranger_is_told_what_the_tools_do_and_take(running: Running) -> None:
    listed = in_session(running.address, lambda session: session.list_tools()).tools
    tools = {tool.name: tool for tool in listed}
    assert {*tools} == {"explain", "classify", "models"}
    assert all(
        "Not for clinical use" in tools[name].description for name in ("explain", "classify")
    )
    taken = tools["explain"].inputSchema["properties"]
    assert all(each["description"] for each in taken.values())
    assert (taken["opacity"]["minimum"], taken["opacity"]["maximum"]) == (0, 1)
    assert taken["model"]["enum"] == ["bundled", "many"]
    assert "default" not in taken["class_name"]
    assert tools["explain"].inputSchema["required"] == ["file"]


def test_the_api_views_list_is_that_of_the_tools(running: Running) -> None:
    address = f"{running.address}gradio_api/mcp"
    shown = httpx.get(f"{address}/schema").json()
    listed = in_session(running.address, lambda session: session.list_tools()).tools
    assert [each["inputSchema"] for each in shown] == [tool.inputSchema for tool in listed]
    chosen = httpx.get(f"{address}/schema?tools=classify").json()
    assert [each["name"] for each in chosen] == ["classify"]


def test_explain_gives_the_record_of_the_endpoint(
    call: Call, sent: str, client: Client, xray: Path
) -> None:
    result = call("explain", file=sent, class_name="Normal", method="hirescam")
    record, *_ = client.predict(
        handle_file(xray), class_name="Normal", method="hirescam", api_name="/explain"
    )
    assert not result.isError
    assert result.structuredContent == json.loads(words(result)) == record


def test_the_pictures_have_pythons_pixels(call: Call, sent: str, xray: Path, bundled) -> None:
    asked = {"pictures": ["overlay", "original"], "detail": "coarse", "opacity": 0.7}
    result = call("explain", file=f"data:image/png;base64,{sent}", **asked)
    radiograph = read_radiograph(xray)
    made = explain(bundled, radiograph, layers=bundled.detail["coarse"]).heatmap
    grey = as_rgb(radiograph.pixels)
    np.testing.assert_array_equal(picture(result), overlay(grey, made, 0.7))
    np.testing.assert_array_equal(picture(result, 2), grey)


def test_a_picture_is_shrunk_to_what_a_client_takes(call: Call, sent: str, xray: Path) -> None:
    result = call("explain", file=sent, pictures=["original"], longest_side=80)
    grey = as_rgb(read_radiograph(xray).pixels)
    wanted = cv2.resize(grey, (80, 65), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(picture(result), wanted)


@pytest.mark.parametrize("form", ["{path}", "{address}gradio_api/file={path}"])
def test_an_upload_is_taken_by_its_path_or_its_address(
    running: Running, call: Call, xray: Path, form: str
) -> None:
    files = {"files": ("DOE_JANE.png", xray.read_bytes())}
    [path] = httpx.post(f"{running.address}gradio_api/upload", files=files).json()
    result = call("classify", file=form.format(path=path, address=running.address))
    assert not result.isError
    assert not Path(path).exists()


def test_a_call_leaves_nothing_on_disk(running: Running, call: Call, sent: str) -> None:
    before = {*running.files}
    assert not call("explain", file=sent).isError
    assert call("explain", file=sent, opacity=7).isError
    assert {*running.files} <= before


def test_models_names_what_can_be_asked(call: Call) -> None:
    assert {*call("models").structuredContent["models"]} == {"bundled", "many"}


def test_a_slow_method_says_how_far_it_is(call: Call, sent: str) -> None:
    seen = []

    async def progress(done: float, total: float | None, _message: str | None) -> None:
        seen.append((done, total))

    result = call(
        "explain", progress, file=sent, model="many", class_name="Mass", method="scorecam"
    )
    assert not result.isError
    assert seen == sorted(seen)
    assert seen[-1] == (100, 100)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("explain", {"opacity": 7}, "opacity is a number from 0 to 1, not 7"),
        ("explain", {"class_name": "DOE^JANE"}, "class_name is one of Normal, Pneumonia"),
        ("explain", {"pictures": ["overlay", "x"]}, "pictures is a list, each one of original"),
        ("explain", {"longest_side": 10**6}, "longest_side is a whole number from 64 to 4096"),
        ("explain", {"longest_side": 99.5}, "longest_side is a whole number from 64 to 4096"),
        ("explain", {"patient": "DOE^JANE"}, "no argument 'patient'"),
        ("classify", {"file": None}, "file is missing"),
        ("classify", {"file": "/etc/passwd"}, "no upload that waits here"),
        ("classify", {"file": "https://example.org/x.dcm"}, "this server fetches none"),
        ("classify", {"file": "aGVsbG8="}, "holds no image"),
        ("classify", {"file": ""}, "The file is empty"),
        ("DOE^JANE", {}, "There are the tools explain, classify, models"),
    ],
)
def test_what_cannot_be_answered_is_told(
    running: Running,
    call: Call,
    sent: str,
    caplog,
    tool: str,
    arguments: dict[str, Any],
    said: str,
) -> None:
    result = call(tool, **({"file": sent} | arguments))
    assert result.isError
    assert said in words(result)
    assert "JANE" not in words(result) + caplog.text
    assert str(running.folder) not in words(result)
