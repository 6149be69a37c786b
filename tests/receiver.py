"""A server on this machine that keeps what is posted to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Posted(NamedTuple):
    """One request."""

    path: str
    authorization: str | None
    document: dict[str, str]


@contextmanager
def receiver() -> Iterator[tuple[str, list[Posted]]]:
    """Give host:port and the list of what comes in.

    What is posted to /no… is refused, to /second once and to /third twice; to
    /never… it is not answered.
    """
    received: list[Posted] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(Posted(self.path, self.headers.get("Authorization"), body))
            if self.path.startswith("/never"):
                over.wait()
            before = sum(posted.path == self.path for posted in received) - 1
            times = {"/second": 1, "/third": 2}.get(self.path, 0)
            refused = self.path.startswith("/no") or before < times
            self.send_response(500 if refused else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", received
        finally:
            over.set()
            server.shutdown()
            thread.join()
