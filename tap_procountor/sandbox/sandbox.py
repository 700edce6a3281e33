"""The sandbox: a server that behaves like Procountor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .app import make_app
from .backend import API_PATH, Backend
from .server import Server
from .settings import Settings

if TYPE_CHECKING:
    from types import TracebackType


class Sandbox(Backend):
    """A Procountor to try, test and measure against, in a thread of this process.

    Args:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        settings: As ``Settings`` has them, which see.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(Settings(**settings))
        self._server = Server(make_app(self), host, port)

    def __enter__(self) -> Self:
        """Start serving."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.stop()

    def start(self) -> None:
        """Start serving; returns when requests are answered."""
        for company in self.companies:
            company.prepare()
        self._server.start()

    def stop(self) -> None:
        """Stop serving and wait for the end."""
        self._server.stop()

    @property
    def url(self) -> str:
        """The origin; the control interface is below its ``/sandbox``."""
        return self._server.url

    @property
    def api_url(self) -> str:
        """The base of the API."""
        return f"{self.url}{API_PATH}"

    @property
    def token_url(self) -> str:
        """Where keys are exchanged for tokens."""
        return f"{self.url}/api/oauth/token"

    def config(self) -> dict[str, Any]:
        """Return settings for the tap that open all companies."""
        return self.config_at(self.url)
