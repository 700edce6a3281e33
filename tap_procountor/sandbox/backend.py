"""What the server answers from: companies, their keys, the clock, faults and statistics."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any

from .auth import Keyring
from .books.books import Books
from .books.randomness import Seed, Topic
from .clock import Clock
from .company import Company
from .faults import Fault, Faults
from .statistics import Statistics

if TYPE_CHECKING:
    from .settings import Settings

API_PATH = "/latest/api"
"""Where the tap finds the API, below the origin."""


class Backend:
    """A Procountor without its HTTP server."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.lock = RLock()
        self.clock = Clock()
        #: How far the Date header is off.
        self.date_error = timedelta()
        self.requests = Statistics()
        self.faults = Faults(settings.seed, settings.fail_rate)
        self.keyring = Keyring(settings.seed, settings.token_lifetime, self.clock.now)
        self.companies = [self._company(index) for index in range(settings.companies)]
        self._by_id = {company.id: company for company in self.companies}
        self._latency = Seed(settings.seed, 0).random(Topic.LATENCY)

    def config_at(self, origin: str) -> dict[str, Any]:
        """Return settings for the tap that open all companies.

        Args:
            origin: Where the backend is served, like ``http://127.0.0.1:8765``.
        """
        keys = [company.api_key for company in self.companies]
        return {
            "api_url": f"{origin}{API_PATH}",
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
