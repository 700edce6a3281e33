"""What requests cost."""

from __future__ import annotations

import threading


class Usage:
    """The cost of a part of the run; counted from several threads.

    Attributes:
        requests: Requests sent, repeats included.
        retries: How many of them repeated a failed one.
        bytes: Size of the answers' bodies, unpacked.
        seconds_waited: For the limiter, added up over the threads.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.retries = 0
        self.bytes = 0
        self.seconds_waited = 0.0
        self._lock = threading.Lock()

    def add(
        self, *, requests: int = 0, retries: int = 0, size: int = 0, seconds_waited: float = 0.0
    ) -> None:
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.bytes += size
            self.seconds_waited += seconds_waited

    def to_dict(self) -> dict[str, float]:
        return {
            "requests": self.requests,
            "retries": self.retries,
            "bytes": self.bytes,
            "seconds_waited_for_the_limit": round(self.seconds_waited, 1),
        }
