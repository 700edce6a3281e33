"""What the sandbox has been asked, and how fast."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_IDS = re.compile(r"/\d[\d,]*")


@dataclass(slots=True)
class Request:
    """One request to the API; the status is 0 until it is answered.

    The time is that of its arrival at this machine, in seconds since the epoch.
    """

    time: float
    method: str
    path: str
    query: str
    client: str
    company: int | None
    status: int = 0

    @property
    def route(self) -> str:
        """The path with ids left out."""
        return _IDS.sub("/{id}", self.path)


@dataclass
class Statistics:
    """The requests so far."""

    requests: list[Request] = field(default_factory=list)
    rate_limit_violations: int = 0
    token_requests: int = 0
    redirect_uris_sent: int = 0

    def by_route(self) -> Counter[str]:
        """Return the number of requests per route."""
        return Counter(request.route for request in self.requests)

    def by_company(self) -> Counter[int | None]:
        """Return the number of requests per company id (None: no valid token)."""
        return Counter(request.company for request in self.requests)

    def by_status(self) -> Counter[int]:
        """Return the number of requests per status."""
        return Counter(request.status for request in self.requests)

    def peak_per_second(self) -> int:
        """Return the most requests of one client that arrived within any second."""
        clients = {request.client for request in self.requests}
        return max(
            (
                _peak(request.time for request in self.requests if request.client == client)
                for client in clients
            ),
            default=0,
        )

    def summary(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        return {
            "total": len(self.requests),
            "byRoute": self.by_route(),
            "byCompany": {str(company): count for company, count in self.by_company().items()},
            "byStatus": {str(status): count for status, count in self.by_status().items()},
            "peakPerSecond": self.peak_per_second(),
            "rateLimitViolations": self.rate_limit_violations,
            "tokenRequests": self.token_requests,
            "redirectUrisSent": self.redirect_uris_sent,
            "requests": [asdict(request) for request in self.requests],
        }


def _peak(times: Iterable[float]) -> int:
    ordered = sorted(times)
    first = most = 0
    for last, time in enumerate(ordered):
        while time - ordered[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most
