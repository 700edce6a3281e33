"""An HTTP server in a thread."""

from __future__ import annotations

import asyncio
import socket
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .app import make_app
from .gateway import TRANSPORT

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .sandbox import Sandbox

_START_SECONDS = 30


class Server:
    """Serves a sandbox until stopped."""

    def __init__(self, sandbox: Sandbox, host: str, port: int) -> None:
        self._socket = _listen(host, port)
        self.url = "http://{}:{}".format(*self._socket.getsockname()[:2])
        self._started = Event()
        config = uvicorn.Config(
            make_app(sandbox),
            http=_Protocol,
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,
            server_header=False,
            timeout_graceful_shutdown=0,
        )
        self._uvicorn = uvicorn.Server(config)
        self._thread = Thread(target=self._run, name="procountor-sandbox", daemon=True)

    def start(self) -> None:
        """Start the thread; returns when it accepts connections."""
        self._thread.start()
        if not self._started.wait(_START_SECONDS):
            message = "The sandbox did not start"
            raise RuntimeError(message)

    def stop(self) -> None:
        """Stop and wait for the thread's end."""
        self._uvicorn.should_exit = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        # The socket listens already, so connections wait until the loop takes them.
        self._started.set()
        await self._uvicorn.serve(sockets=[self._socket])


def _listen(host: str, port: int) -> socket.socket:
    # The explicit protocol is what makes asyncio switch off Nagle's algorithm, which costs 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen()
    return listening


class _Protocol(H11Protocol):
    """Hands the connection to the application, which may have to cut it."""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)


def _with_transport(app: ASGIApp, transport: Any) -> ASGIApp:  # noqa: ANN401
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[TRANSPORT] = transport
        await app(scope, receive, send)

    return run
