"""The sandbox: companies, their keys, and a server that behaves like Procountor."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from .auth import Keyring
from .books.books import Books
from .books.randomness import Seed, Topic
from .clock import Clock
from .company import Company
from .faults import Fault, Faults
from .server import Server
from .settings import Settings
from .statistics import Statistics

if TYPE_CHECKING:
    from types import TracebackType


class Sandbox:
    """A Procountor to try, test and measure against, in a thread of this process.

    Args:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        settings: As ``Settings`` has them, which see.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, **settings: Any) -> None:  # noqa: ANN401
        self.settings = Settings(**settings)
        self.lock = RLock()
        self.clock = Clock()
        #: How far the Date header is off.
        self.date_error = timedelta()
        self.requests = Statistics()
        self.faults = Faults(self.settings.seed, self.settings.fail_rate)
        self.keyring = Keyring(self.settings.seed, self.settings.token_lifetime, self.clock.now)
        self.companies = [self._company(index) for index in range(self.settings.companies)]
        self._by_id = {company.id: company for company in self.companies}
        self._latency = Seed(self.settings.seed, 0).random(Topic.LATENCY)
        self._server = Server(self, host, port)

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
        return f"{self.url}/latest/api"

    @property
    def token_url(self) -> str:
        """Where keys are exchanged for tokens."""
        return f"{self.url}/api/oauth/token"

    def config(self) -> dict[str, Any]:
        """Return settings for the tap that open all companies."""
        keys = [company.api_key for company in self.companies]
        return {
            "api_url": self.api_url,
            "client_id": self.keyring.client_id,
            "client_secret": self.keyring.client_secret,
            **({"api_key": keys[0]} if len(keys) == 1 else {"api_keys": keys}),
        }

    def company(self, number: int) -> Company:
        """Return the company with the id; LookupError if there is none."""
        return self._by_id[number]

    def truth(self, company: int, kind: str) -> list[dict[str, Any]]:
        """Return all documents of a kind of the company with the id."""
        return self.company(company).truth(kind)

    def statistics(self) -> Statistics:
        """Return the requests so far."""
        return self.requests

    def reset_statistics(self) -> None:
        """Forget the requests so far."""
        self.requests = Statistics()

    def add_fault(self, **fault: Any) -> None:  # noqa: ANN401
        """Order a fault, described as ``Fault`` has it."""
        self.faults.add(Fault(**fault))

    def clear_faults(self) -> None:
        """Forget the faults ordered."""
        self.faults.clear()

    def advance_clock(self, seconds: float) -> None:
        """Move the sandbox's clock."""
        self.clock.advance(seconds)

    def set_clock(self, moment: str) -> None:
        """Let the sandbox's clock go on from a moment like ``2025-10-26T00:30:00+00:00``."""
        self.clock.set(datetime.fromisoformat(moment))

    def expire_tokens(self) -> None:
        """End all access tokens at once."""
        self.keyring.expire_tokens()

    def next_latency(self) -> float:
        """Return the seconds that the next request waits."""
        settings = self.settings
        jitter = self._latency.uniform(-settings.jitter_ms, settings.jitter_ms)
        return max(0.0, settings.latency_ms + jitter) / 1000

    def _company(self, index: int) -> Company:
        settings = self.settings
        books = Books(settings.seed, index, settings.size(), colliding_ids=settings.colliding_ids)
        company = Company(books, self.keyring, self.clock, self.lock)
        company.documents = settings.documents
        return company
