"""A Hugging Face Space: its front matter, and the tree that is uploaded to it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import gradio
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.helpers.running_app import ROOT, fetch, running_app

COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "somebody/chest-xray-viewer",
    "SPACE_HOST": "somebody-chest-xray-viewer.hf.space",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_SSR_MODE": "True",
    "HOME": "/nonexistent",
}
"""What a Space sets, and a home in which nothing can be written."""


@pytest.fixture(scope="module")
def front_matter() -> dict[str, Any]:
    _, settings, _ = (ROOT / "README.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(settings)


def test_front_matter_is_as_the_configuration_reference_says(front_matter: dict[str, Any]) -> None:
    assert front_matter["sdk"] == "gradio"
    assert {front_matter["colorFrom"], front_matter["colorTo"]} <= COLORS
    assert (ROOT / front_matter["app_file"]).is_file()
    assert len(front_matter["short_description"]) <= 60
    assert not front_matter["emoji"].isascii()


def test_front_matter_asks_for_versions_that_the_requirements_allow(
    front_matter: dict[str, Any],
) -> None:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    wanted = {each.name: each.specifier for each in map(Requirement, lines)}
    assert wanted["gradio"].contains(front_matter["sdk_version"])
    assert wanted["gradio"].contains(gradio.__version__)
    assert SpecifierSet(">=3.11").contains(front_matter["python_version"])


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tree that `hf upload` sends: what git does not ignore."""
    tree = tmp_path_factory.mktemp("space")
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(git, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    return tree


@pytest.fixture
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder whose sitecustomize refuses whatever leaves this machine, and notes it."""
    folder = tmp_path_factory.mktemp("cut_off")
    (folder / "sitecustomize.py").write_text(
        textwrap.dedent("""
            import ipaddress, pathlib, sys

            def refuse(event, arguments):
                if event == "socket.connect" and isinstance(arguments[1], tuple):
                    host = arguments[1][0]
                elif event == "socket.getaddrinfo":
                    host = arguments[0]
                else:
                    return
                host = host.decode() if isinstance(host, bytes) else host
                if host in (None, "", "localhost", "0.0.0.0", "::1") or host.startswith("127."):
                    return
                with (pathlib.Path(__file__).parent / "asked").open("a") as asked:
                    asked.write(f"{host}\\n")
                raise ConnectionRefusedError(f"no network: {host}")

            sys.addaudithook(refuse)
        """),
        "utf-8",
    )
    return folder


@pytest.mark.slow
def test_the_uploaded_tree_starts_on_a_space_without_network(
    uploaded: Path, cut_off: Path, tmp_path: Path
) -> None:
    settings = SPACE | {"GRADIO_TEMP_DIR": str(tmp_path), "PYTHONPATH": str(cut_off)}
    with running_app(uploaded, settings) as app:
        assert b"Chest X-ray viewer" in fetch(app.address)
    assert not (cut_off / "asked").exists()


def test_a_machine_that_is_cut_off_notices(cut_off: Path) -> None:
    script = "import socket; socket.create_connection(('example.org', 80))"
    ended = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(cut_off)}, capture_output=True
    )
    assert b"no network: example.org" in ended.stderr
    assert (cut_off / "asked").read_text("utf-8") == "example.org\n"
