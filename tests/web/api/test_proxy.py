"""Endpoints and tools below a path of another server."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from cxr_gradcam.web.page import Page
from tests.helpers.findings import eighteen_findings
from tests.helpers.proxy import reverse_proxy
from tests.helpers.serving import serving
from tests.helpers.threads import in_thread


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    uploads, settings = tmp_path_factory.mktemp("uploads"), {"mcp": True, "root_path": "/xray"}
    with (
        serving(lambda: Page(eighteen_findings()), uploads, **settings) as address,
        reverse_proxy(address, "/xray") as outside,
    ):
        yield outside


def test_endpoints_answer_with_addresses_that_can_be_fetched(
    outside: str, xray: Path, tmp_path: Path
) -> None:
    client = Client(outside, verbose=False, download_files=tmp_path)
    record, *pictures = client.predict(handle_file(xray), api_name="/explain")
    assert record["method"] == "gradcam"
    assert all(Path(picture).stat().st_size for picture in pictures)
    described = Client(outside, verbose=False, download_files=False).predict(
        handle_file(xray), api_name="/explain"
    )
    assert all(each["url"].startswith(outside) for each in described[1:])
    assert all(httpx.get(each["url"]).content[:4] == b"\x89PNG" for each in described[1:])


def test_tools_answer(outside: str, xray: Path) -> None:
    async def classify() -> Any:
        async with (
            streamable_http_client(f"{outside}gradio_api/mcp") as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            sent = b64encode(xray.read_bytes()).decode()
            return await session.call_tool("classify", {"file": sent})

    assert len(in_thread(asyncio.run, classify()).structuredContent["probabilities"]) == 18
