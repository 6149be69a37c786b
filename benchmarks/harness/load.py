"""Load on an HTTP server: connections that each ask again as soon as they are answered.

One process, asyncio over uvloop, a request that is written once and sent again: about 12 µs each,
less than any server here takes, and `Load.own_us` says how much it was. Run it where the server
does not run: it is no part of what is measured.
"""

import asyncio
import time
from dataclasses import dataclass

import numpy as np
import uvloop

from harness.process import cpu


@dataclass(frozen=True)
class Load:
    """What a server did for some seconds."""

    rate: float
    """Requests a second."""
    p50_ms: float
    p99_ms: float
    server_us: float
    """Microseconds of CPU that the server took for each."""
    own_us: float
    """Microseconds of CPU that the load itself took for each."""
    failed: int
    """Answers other than 200."""


class _Client(asyncio.Protocol):
    """A connection that asks again and again until a moment."""

    def __init__(self, request: bytes, until: float, taken: list[float]) -> None:
        self._request, self._until, self._taken = request, until, taken
        self.failed = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer = b""
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._ask()

    def _ask(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer = self._answer + data if self._answer else data
        if not self._size:
            head = self._answer.find(b"\r\n\r\n")
            if head < 0:
                return
            at = self._answer.lower().find(b"content-length:") + 15
            self._size = head + 4 + int(self._answer[at : self._answer.find(b"\r", at)])
        if len(self._answer) < self._size:
            return
        now = time.perf_counter()
        self._taken.append(now - self._asked)
        self.failed += self._answer[9:12] != b"200"
        self._answer, self._size = b"", 0
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def load(
    port: int, path: str, body: bytes, *, connections: int, seconds: float, server: int
) -> Load:
    """Post a JSON body again and again.

    Parameters
    ----------
    server
        The ID of its process.
    """
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return uvloop.run(_load(port, head.encode() + body, connections, seconds, server))


async def _load(port: int, request: bytes, connections: int, seconds: float, server: int) -> Load:
    taken: list[float] = []
    clients: list[_Client] = []
    before, own, began = cpu(server), time.process_time(), time.perf_counter()
    until = began + seconds

    def client() -> _Client:
        clients.append(_Client(request, until, taken))
        return clients[-1]

    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(client, "127.0.0.1", port)
    await asyncio.gather(*(each.done for each in clients))
    took, count = time.perf_counter() - began, len(taken)
    p50, p99 = 1e3 * np.percentile(taken, (50, 99))
    return Load(
        count / took,
        float(p50),
        float(p99),
        1e6 * (cpu(server) - before) / count,
        1e6 * (time.process_time() - own) / count,
        sum(each.failed for each in clients),
    )
