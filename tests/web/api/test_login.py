"""Where the page asks for a login, all of its routes do."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from cxr_gradcam.web.page import Page
from tests.helpers.findings import eighteen_findings
from tests.helpers.serving import serving

ROUTES = [
    ("POST", "gradio_api/upload"),
    ("POST", "gradio_api/mcp"),
    ("POST", "worklist/row"),
    ("GET", "pixels/x"),
    ("GET", "dicom-results/x"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    uploads, login = tmp_path_factory.mktemp("uploads"), ("reader", "secret")
    with serving(lambda: Page(eighteen_findings()), uploads, mcp=True, auth=login) as address:
        yield address


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_a_stranger_is_sent_away(address: str, method: str, route: str) -> None:
    assert httpx.request(method, f"{address}{route}").status_code == 401
    false = {"access-token-unsecure-x": "x"}
    assert httpx.request(method, f"{address}{route}", cookies=false).status_code == 401


def test_a_reader_who_logged_in_is_answered(address: str) -> None:
    with httpx.Client() as client:
        account = {"username": "reader", "password": "secret"}
        assert client.post(f"{address}login", data=account).status_code == 200
        answers = [client.request(method, f"{address}{route}") for method, route in ROUTES]
    assert all(answer.status_code not in (401, 500) for answer in answers)
