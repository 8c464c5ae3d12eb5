"""What the page's own components serve."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cxr_gradcam.web.component import code_of


@pytest.mark.parametrize("root_path", ["", "/xray"])
def test_code_is_found_below_a_root_path_and_nothing_outside_its_folder(
    tmp_path: Path, root_path: str
) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "main.js").write_text("start()")
    (tmp_path / "secret.js").write_text("secret")
    client = TestClient(Starlette(routes=[code_of("viewer", folder)]), root_path=root_path)
    assert client.get("/viewer/main.js").text == "start()"
    assert client.get("/viewer/none.js").status_code == 404
    assert client.get("/viewer/..%2Fsecret.js").status_code == 404
