"""The order of what waits, and a lock that keeps it."""

from __future__ import annotations

import heapq
import sys
import threading
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The order of what goes before all that wait.
BEFORE_ALL = -sys.maxsize

#: Two seconds at twenty requests a second: a token does not expire meanwhile.
_MOST_TO_PASS = 40


def rank(arrival: int, order: int) -> int:
    """Return the rank of what waits: the lowest goes first.

    What is written next goes before the rest. But nothing waits for ever: each lets a limited
    number pass that arrive after it.

    Args:
        arrival: How many have arrived before.
        order: How many that arrive later may pass, up to a limit; or ``BEFORE_ALL``.
    """
    return arrival + min(order, _MOST_TO_PASS)


class Gate:
    """Lets one thread in at a time, in the order of their ranks."""

    def __init__(self) -> None:
        self._is_taken = False
        self._mutex = threading.Lock()
        self._arrivals = count()
        #: A heap of rank, arrival, and the lock that the thread waits for.
        self._waiting: list[tuple[int, int, threading.Lock]] = []

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return len(self._waiting)

    @contextmanager
    def enter(self, order: int) -> Iterator[None]:
        """Enter when it is the thread's turn; others can when it leaves.

        Args:
            order: As in ``rank``.
        """
        turn = threading.Lock()
        with self._mutex:
            if self._is_taken:
                turn.acquire()
                arrival = next(self._arrivals)
                heapq.heappush(self._waiting, (rank(arrival, order), arrival, turn))
            self._is_taken = True
        with turn:
            try:
                yield
            finally:
                self._leave()

    def _leave(self) -> None:
        with self._mutex:
            if self._waiting:
                # It is handed over: none that comes now may enter before.
                heapq.heappop(self._waiting)[2].release()
            else:
                self._is_taken = False
