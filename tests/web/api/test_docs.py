"""The examples of docs/api.md do what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.threads import in_thread
from tests.web.api.conftest import Running

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/api.md").read_text("utf-8")
SHOWN = "http://127.0.0.1:7860"


def blocks(language: str, running: Running) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return [block.replace(SHOWN, running.address.rstrip("/")) for block in found]


def test_the_python_examples_run(running: Running, monkeypatch, capsys) -> None:
    monkeypatch.chdir(ROOT)
    for block in blocks("python", running):
        in_thread(exec, compile(block, "docs/api.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "likely" in printed
    assert "} image\n" in printed


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")) and not os.environ.get("CI"),
    reason="curl and jq are not installed",
)
def test_the_curl_example_runs(running: Running) -> None:
    [block] = blocks("bash", running)
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    event, data = run.stdout.strip().splitlines()[:2]
    assert event == "event: complete"
    record, *pictures = json.loads(data.removeprefix("data: "))
    assert record["class_name"] == "Pneumonia"
    assert all(each["url"].startswith(running.address) for each in pictures)


def test_the_configurations_name_the_place_of_the_tools(running: Running) -> None:
    servers = [json.loads(block)["mcpServers"] for block in blocks("json", running)]
    addresses = [(each.get("url") or each["args"][-1]) for [each] in map(dict.values, servers)]
    assert addresses == [f"{running.address}gradio_api/mcp"] * 2
