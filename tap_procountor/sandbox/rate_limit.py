"""The limit on a client's requests, in a sliding window."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict


class RateLimit:
    """At most so many requests per client in any window of so many seconds; 0 is no limit."""

    def __init__(self, requests: int, seconds: float) -> None:
        self._requests = requests
        self._seconds = seconds
        self._arrivals: defaultdict[str, list[float]] = defaultdict(list)

    def admits(self, client: str, time: float) -> bool:
        """Tell whether a request that arrived at the time is within the limit; if so it counts.

        Requests of several connections may be looked at in another order than they arrived in.
        """
        if not self._requests:
            return True
        arrivals = self._arrivals[client]
        insort(arrivals, time)
        if self._is_exceeded(arrivals):
            arrivals.remove(time)
            return False
        del arrivals[: -2 * self._requests]
        return True

    def _is_exceeded(self, arrivals: list[float]) -> bool:
        """Tell whether some window holds one request more than permitted."""
        return any(
            last - first < self._seconds
            for first, last in zip(arrivals, arrivals[self._requests :], strict=False)
        )
