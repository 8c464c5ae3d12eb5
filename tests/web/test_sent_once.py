"""Files that the page makes: held in memory, and sent once."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.testclient import TestClient

from cxr_gradcam.web.sent_once import SentOnce, download


def test_a_file_is_sent_once_under_a_name_of_its_own() -> None:
    downloads = SentOnce("made", max_bytes=10)
    client = TestClient(Starlette(routes=downloads.routes))
    first, second = (
        downloads.put(download(data, "made.txt", "text/plain")) for data in (b"first", b"second")
    )  # 11 bytes
    assert first != second
    assert client.get(f"/made/{first}").status_code == 404
    sent = client.get(f"/made/{second}")
    assert sent.content == b"second"
    assert sent.headers["cache-control"] == "no-store"
    assert sent.headers["content-disposition"] == 'attachment; filename="made.txt"'
    assert sent.headers["content-type"].startswith("text/plain")
    assert client.get(f"/made/{second}").status_code == 404
