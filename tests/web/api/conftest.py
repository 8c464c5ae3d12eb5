"""A running page with its endpoints and tools, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gradio_client import Client

from cxr_gradcam.models.resnet50 import ResNet50FineTuned
from cxr_gradcam.web.page import Page
from tests.helpers.findings import eighteen_findings
from tests.helpers.serving import serving


@dataclass(frozen=True)
class Running:
    """The page's address, and the folder of its uploads and answers."""

    address: str
    folder: Path

    @property
    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="package")  # Gradio has one folder for uploads at a time
def running(
    bundled: ResNet50FineTuned, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("uploads")
    models = {"bundled": bundled, "many": eighteen_findings()}
    with serving(lambda: Page(models), folder, mcp=True) as address:
        yield Running(address, folder)


@pytest.fixture(scope="package")  # Gradio has one folder for uploads at a time
def client(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(running.address, verbose=False, download_files=tmp_path_factory.mktemp("got"))
