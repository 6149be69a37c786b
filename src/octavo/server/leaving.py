"""A server that can leave its address to a successor without hanging up on anybody.

Both accept from one listening socket, which the supervisor holds; so nobody is refused in between,
and who waits in its queue is answered by whichever is there.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from octavo.server.app import App
from octavo.server.connection import Connection, Heads
from octavo.server.idle import FILES, Idle
from octavo.services.certificate import Certificate
from octavo.services.supervisor import GRACE

IDLE = 5
"""Seconds after which a connection on which nothing is asked is closed, here as anywhere."""


class Server(uvicorn.Server):
    """Serves an application, through what stands before it; says when it is ready.

    A client that keeps its connection may ask at any moment, also while it is closed: then what it
    asked is lost. One that leaves therefore closes none on which something may come: each is told
    to close by the answer to its next request, or falls idle.

    Parameters
    ----------
    rpc
        Gives a server of gRPC to run beside it, in its event loop; None: there is none.
    connections
        That it holds at the most, see `octavo.server.idle`.
    """

    def __init__(
        self,
        app: App,
        gate: Any,
        ready: Callable[[], None],
        certificate: Certificate | None = None,
        rpc: Callable[[], Any] | None = None,
        connections: int = FILES // 2,
    ) -> None:
        heads = Heads(gate.at_once)
        connection = type("Connection", (Connection,), {"heads": heads})
        told = {"http": connection, "log_level": "warning", "access_log": False, "lifespan": "on"}
        told |= {"log_config": None}  # what it says goes where all that is logged goes
        # Who stands before it is nobody's to say in a header, and looking costs each request.
        # A WebSocket would be answered by nobody, and is no connection as `Idle` knows them.
        told |= {"proxy_headers": False, "server_header": False, "ws": "none"}
        # Who reads no answer must not keep it from ending before it is killed.
        told |= {"timeout_graceful_shutdown": round(GRACE) - 5}
        if certificate is not None:
            told["ssl_context_factory"] = lambda *_: certificate.context()
        super().__init__(uvicorn.Config(gate, timeout_keep_alive=IDLE, **told))  # type: ignore[arg-type]
        self._app, self._ready = app, ready
        self._bind_rpc, self._rpc = rpc, None
        self._idle = Idle(connections)

    def leave(self) -> None:
        """End when all that was asked is answered: a successor takes what comes."""
        self._app.is_leaving = self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, and say so."""
        if self._bind_rpc is not None:
            self._rpc = self._bind_rpc()
            await self._rpc.start()
        await super().startup(sockets)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        """Look after what there is to look after, ten times a second; return whether to end."""
        connections = self.server_state.connections
        if counter % 10 == 0 or len(connections) > self._idle.most:
            self._idle.look(connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more; end when nobody is connected, at once if nobody succeeds it."""
        if self._rpc is not None:
            await self._rpc.stop(IDLE)  # tells each client to connect anew
        if self._app.is_leaving:
            for server in self.servers:
                server.close()
            clock = asyncio.get_running_loop().time
            until = clock() + IDLE + 1
            while self.server_state.connections and clock() < until:
                await asyncio.sleep(0.02)
        await super().shutdown(sockets)
