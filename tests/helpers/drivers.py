"""Firefox and WebKit from Debian, driven without anything but what they bring along."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.helpers.patience import PATIENCE, wait_until


class Driver:
    """A browser's window.

    Args:
        send: sends a command of WebDriver by its name, and returns its value.
    """

    def __init__(self, send: Any) -> None:
        self.send = send

    def go(self, url: str) -> None:
        self.send("go", url=url)

    def resize(self, width: int, height: int) -> None:
        """Give the page itself a size; the window has edges of its own."""
        self.send("resize", x=0, y=0, width=width, height=height)
        inner = self._settled_size()
        outer = width + width - inner[0], height + height - inner[1]
        self.send("resize", x=0, y=0, width=outer[0], height=outer[1])

    def _settled_size(self) -> list[int]:
        """Return the page's size when it has stopped changing: engines resize a moment later."""
        sizes: list[list[int]] = [[]]

        def is_settled() -> bool:
            time.sleep(0.2)
            sizes.append(self.run("return [innerWidth, innerHeight]"))
            return sizes[-1] == sizes[-2]

        wait_until(is_settled)
        return sizes[-1]

    def run(self, script: str, *args: object) -> Any:
        return self.send("run", script=script, args=list(args))

    def wait_for(self, condition: str) -> Any:
        """Wait until a JavaScript expression is true."""
        return wait_until(lambda: self.run(f"return {condition}"))


@contextmanager
def firefox(profile: Path) -> Iterator[Driver]:
    """Start Firefox, and speak Marionette with it, its own protocol."""
    port = _free_port()
    settings = f'user_pref("marionette.port", {port});\n'
    (profile / "user.js").write_text(settings, "utf-8")
    command = [
        "firefox-esr",
        "--headless",
        "--marionette",
        "--no-remote",
        "--profile",
        str(profile),
    ]
    names = {
        "go": "WebDriver:Navigate",
        "resize": "WebDriver:SetWindowRect",
        "run": "WebDriver:ExecuteScript",
    }
    with ExitStack() as stack:
        stack.enter_context(_running(command))
        connection = stack.enter_context(wait_until(lambda: _connected(port)))
        stream = stack.enter_context(connection.makefile("rwb"))
        _received(stream)  # its greeting

        def send(name: str, **arguments: object) -> Any:
            text = json.dumps([0, 1, names.get(name, name), arguments]).encode()
            stream.write(b"%d:%b" % (len(text), text))
            stream.flush()
            _, _, error, value = _received(stream)
            assert error is None, error
            return value["value"] if isinstance(value, dict) and "value" in value else value

        send("WebDriver:NewSession", strictFileInteractability=False)
        yield Driver(send)


def _received(stream: Any) -> Any:
    length = b""
    while (byte := stream.read(1)) != b":":
        assert byte, "Firefox has ended"
        length += byte
    return json.loads(stream.read(int(length)))


@contextmanager
def webkit(folder: Path) -> Iterator[Driver]:
    """Start WebKit on a screen that nobody sees, and speak WebDriver with it."""
    port = _free_port()
    with ExitStack() as stack:
        display = stack.enter_context(_screen())
        environment = {"DISPLAY": display, "HOME": str(folder), "PATH": "/usr/bin:/bin"}
        command = ["WebKitWebDriver", f"--port={port}"]
        stack.enter_context(_running(command, env=environment))
        stack.enter_context(wait_until(lambda: _connected(port)))
        base = f"http://127.0.0.1:{port}/session"
        browser = {"browserName": "MiniBrowser", "webkitgtk:browserOptions": _mini_browser()}
        session = _post(base, capabilities={"alwaysMatch": browser})["sessionId"]
        names = {"go": "url", "resize": "window/rect", "run": "execute/sync"}
        yield Driver(lambda name, **body: _post(f"{base}/{session}/{names[name]}", **body))


def _mini_browser() -> dict[str, Any]:
    found = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    return {"binary": str(found[-1]), "args": ["--automation"]}


def _post(address: str, /, **body: object) -> Any:
    request = Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=PATIENCE) as response:
        return json.load(response)["value"]


@contextmanager
def _screen() -> Iterator[str]:
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "3900x2300x24", "-nolisten", "tcp"]
    with _running(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        yield f":{server.stdout.readline().decode().strip()}"


@contextmanager
def _running(command: list[str], **settings: Any) -> Iterator[subprocess.Popen[bytes]]:
    settings = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | settings
    program = shutil.which(command[0])
    assert program, f"{command[0]} is not installed"
    with subprocess.Popen([program, *command[1:]], **settings) as process:
        try:
            yield process
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _connected(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    except ConnectionRefusedError:
        return None
