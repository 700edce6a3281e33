"""The limit on a client's requests, in a sliding window."""

from __future__ import annotations

from collections import defaultdict, deque


class RateLimit:
    """At most so many requests per client in any window of so many seconds; 0 is no limit."""

    def __init__(self, requests: int, seconds: float) -> None:
        self._requests = requests
        self._seconds = seconds
        self._arrivals: defaultdict[str, deque[float]] = defaultdict(deque)

    def admits(self, client: str, time: float) -> bool:
        """Tell whether a request that arrives now is within the limit; if so it counts."""
        if not self._requests:
            return True
        arrivals = self._arrivals[client]
        while arrivals and time - arrivals[0] >= self._seconds:
            arrivals.popleft()
        if len(arrivals) >= self._requests:
            return False
        arrivals.append(time)
        return True
