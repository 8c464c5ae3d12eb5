"""The README's first command, from the last step on: app.py starts, and the page is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.running_app import ROOT, fetch, running_app


@pytest.mark.slow
def test_the_app_starts_with_what_the_repository_holds(tmp_path: Path) -> None:
    with running_app(ROOT, {"GRADIO_TEMP_DIR": str(tmp_path)}) as app:
        assert b"Chest X-ray viewer" in fetch(app.address)
