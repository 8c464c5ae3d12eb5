"""Pixels on their way to the browser."""

from __future__ import annotations

import numpy as np
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.testclient import TestClient

from cxr_gradcam.web.sent_once import PixelStore

PIXELS = np.arange(6, dtype=np.uint16).reshape(2, 3)


def client(store: PixelStore, host: str = "127.0.0.1") -> TestClient:
    packs_all = [Middleware(GZipMiddleware, minimum_size=0)]
    return TestClient(Starlette(routes=store.routes, middleware=packs_all), client=(host, 1))


def path(announced: dict[str, object]) -> str:
    return f"/pixels/{announced['name']}"


def test_an_array_is_sent_as_it_is_and_once() -> None:
    store = PixelStore()
    announced = store.announce(PIXELS)
    assert (announced["width"], announced["height"], announced["bits"]) == (3, 2, 16)
    answer = client(store).get(path(announced))
    assert answer.content == PIXELS.astype("<u2").tobytes()
    assert answer.headers["content-encoding"] == "identity"  # packing takes longer than sending
    assert answer.headers["cache-control"] == "no-store"
    assert client(store).get(path(announced)).status_code == 404


def test_what_leaves_this_machine_is_packed() -> None:
    store = PixelStore()
    answer = client(store, "192.0.2.7").get(path(store.announce(PIXELS)))
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == PIXELS.astype("<u2").tobytes()


def test_a_proxy_on_this_machine_sends_for_somebody_else() -> None:
    store = PixelStore()
    answer = client(store).get(
        path(store.announce(PIXELS)), headers={"X-Forwarded-For": "192.0.2.7"}
    )
    assert answer.headers["content-encoding"] == "gzip"


def test_what_nobody_fetches_makes_room_for_what_is_newer() -> None:
    store = PixelStore(max_bytes=2 * PIXELS.nbytes)
    first, second, third = (store.announce(PIXELS) for _ in range(3))
    answers = [client(store).get(path(each)).status_code for each in (first, second, third)]
    assert answers == [404, 200, 200]


def test_the_newest_is_held_whatever_its_size() -> None:
    store = PixelStore(max_bytes=1)
    assert client(store).get(path(store.announce(PIXELS))).status_code == 200


def test_another_name_is_not_found() -> None:
    assert client(PixelStore()).get("/pixels/x").status_code == 404
