"""A semaphore that keeps an order."""

from __future__ import annotations

import heapq
import threading
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Gate:
    """Lets a few threads in at a time: of those that wait, the first by order, then by arrival.

    What is written next must not wait for what is read ahead.

    Args:
        places: How many.
    """

    def __init__(self, places: int = 1) -> None:
        self._free_places = places
        self._mutex = threading.Lock()
        self._arrivals = count()
        #: A heap of order, arrival, and the lock that the thread waits for.
        self._waiting: list[tuple[int, int, threading.Lock]] = []

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return len(self._waiting)

    @contextmanager
    def enter(self, order: int) -> Iterator[None]:
        """Enter when it is the thread's turn, and leave the place at the end.

        Args:
            order: The lowest goes first.
        """
        turn = threading.Lock()
        with self._mutex:
            if self._free_places:
                self._free_places -= 1
            else:
                turn.acquire()
                heapq.heappush(self._waiting, (order, next(self._arrivals), turn))
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
