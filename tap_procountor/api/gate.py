"""A semaphore that keeps an order."""

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


class Gate:
    """Lets a few threads in at a time; of those that wait, what is written next goes first.

    But none waits for ever: each lets only so many pass that arrive after it, as its order says.

    Args:
        places: How many.
    """

    def __init__(self, places: int = 1) -> None:
        self._free_places = places
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
        """Enter when it is the thread's turn, and leave the place at the end.

        Args:
            order: How many that arrive later may pass, up to a limit; or ``BEFORE_ALL``.
        """
        turn = threading.Lock()
        with self._mutex:
            if self._free_places:
                self._free_places -= 1
            else:
                turn.acquire()
                arrival = next(self._arrivals)
                rank = arrival + min(order, _MOST_TO_PASS)
                heapq.heappush(self._waiting, (rank, arrival, turn))
        with turn:
            try:
                yield
            finally:
                self._leave()

    def _leave(self) -> None:
        with self._mutex:
            if self._waiting:
                # The place is handed over: none that comes now may take it.
                heapq.heappop(self._waiting)[2].release()
            else:
                self._free_places += 1
