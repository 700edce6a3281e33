"""An HTTP server in a thread."""

from __future__ import annotations

import asyncio
from threading import Event, Thread
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .arrivals import ListeningSocket, last_arrival
from .gateway import ARRIVAL, TRANSPORT

if TYPE_CHECKING:
    from socket import socket

    from starlette.types import ASGIApp, Receive, Scope, Send


class Server:
    """Serves an application until stopped."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._address = (host, port)
        config = uvicorn.Config(
            app,
            http=_Protocol,
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,
            server_header=False,
            timeout_graceful_shutdown=0,
        )
        self._uvicorn = _Uvicorn(config)
        self._thread = Thread(target=self._run, name="procountor-sandbox", daemon=True)

    def start(self) -> None:
        """Start the thread; returns when it accepts connections."""
        self._socket = ListeningSocket(*self._address)
        self._thread.start()
        self._uvicorn.ready.wait()

    def stop(self) -> None:
        """Stop and wait for the thread's end."""
        self._uvicorn.end()
        self._thread.join()

    @property
    def url(self) -> str:
        """The origin, once started."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{host}:{port}"

    def _run(self) -> None:
        asyncio.run(self._uvicorn.serve(sockets=[self._socket]))


class _Uvicorn(uvicorn.Server):
    """Says when it serves, and ends when told rather than at its next look at a flag."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.ready.set()
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Close what is still connected, too: a request may be under way that nobody waits for."""
        connections = {*self.server_state.connections}
        await super().shutdown(sockets)
        # One that was just being accepted is there by now.
        for connection in connections | self.server_state.connections:
            connection.transport.abort()
        # Transports are closed in the next round of the loop, which ends with this.
        await asyncio.sleep(0)

    def end(self) -> None:
        """End the server, from another thread."""
        self._loop.call_soon_threadsafe(self._ended.set)


class _Protocol(H11Protocol):
    """Tells the application when requests arrived, and hands it the connection, to cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app = _with_connection(self.app, transport)


def _with_connection(app: ASGIApp, transport: asyncio.Transport) -> ASGIApp:
    connection = transport.get_extra_info("socket").fileno()

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = scope.setdefault("extensions", {})
        extensions[TRANSPORT] = transport
        extensions[ARRIVAL] = last_arrival(connection)
        await app(scope, receive, send)

    return run
