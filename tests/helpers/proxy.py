"""A small reverse proxy, as a hospital's web server in front of the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit


@contextmanager
def reverse_proxy(address: str, root_path: str) -> Iterator[str]:
    """Serve an app below a path of another server; yield its address there."""
    host = urlsplit(address).netloc

    class Forward(BaseHTTPRequestHandler):
        """Passes requests on without the path, and answers as they come."""

        def forward(self) -> None:
            if not self.path.startswith(f"{root_path}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name: self.headers[name] for name in self.headers}
            headers |= {"X-Forwarded-Host": self.headers["host"], "X-Forwarded-Proto": "http"}
            upstream = HTTPConnection(host)
            upstream.request(self.command, self.path.removeprefix(root_path), body, headers)
            answer = upstream.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.end_headers()
            while part := answer.read1():
                self.wfile.write(part)
                self.wfile.flush()
            upstream.close()

        do_GET = do_POST = do_HEAD = forward  # noqa: N815 - names of the base class

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}{root_path}/"
    server.shutdown()
    server.server_close()
