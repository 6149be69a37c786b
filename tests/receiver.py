"""A server on this machine that keeps what is posted to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import NamedTuple


class Posted(NamedTuple):
    """One request."""

    path: str
    authorization: str | None
    document: dict[str, str]


@contextmanager
def receiver() -> Iterator[tuple[str, list[Posted]]]:
    """Give host:port and the list of what comes in; what is posted to /no… is refused."""
    received: list[Posted] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(Posted(self.path, self.headers.get("Authorization"), body))
            self.send_response(500 if self.path.startswith("/no") else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()
