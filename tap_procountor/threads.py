"""The threads that requests run in: results ahead of their turn, but no further than is useful."""

from __future__ import annotations

import math
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Threads of what is read ahead wait at the gate: there are mostly others for what is due.
_THREADS_PER_PLACE = 3
#: The weight of the newest answer in the average latency.
_WEIGHT_OF_ONE = 0.1
#: Latencies vary, and results are wanted in order: more are under way than the average needs.
_SPARE_SHARE = 1.5
_SPARE_CALLS = 2
#: If so many bytes wait to be taken, the API is faster than the writer.
_ENOUGH_BYTES = 3 * 1024 * 1024


class _OfThread(threading.local):
    #: Bytes of the answers to the call that the thread makes.
    bytes = 0


class RequestThreads:
    """Calls functions that make requests, several at once.

    Args:
        concurrency: Most requests at once.
        rate: The permitted requests per second.
    """

    def __init__(self, concurrency: int, rate: float) -> None:
        self._concurrency = concurrency
        self._rate = rate
        self._pool = ThreadPoolExecutor(_THREADS_PER_PLACE * concurrency, "request")
        #: A moving average in seconds.
        self._latency = 1.0
        self._weight = 1.0
        self._of_thread = _OfThread()

    def close(self) -> None:
        """End the threads; what has not begun is not called."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def note_answer(self, seconds: float, size: int) -> None:
        """Take into account how long an answer has taken; the first one alone counts in full.

        Called from all threads; that one latency of two at a time is lost does no harm.

        Args:
            seconds: How long it has taken.
            size: The size of its body; 0 for a file.
        """
        self._latency += self._weight * (seconds - self._latency)
        self._weight = _WEIGHT_OF_ONE
        self._of_thread.bytes += size

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        share: float | None = 1,
    ) -> Iterator[Result]:
        """Call a function with each item, a bounded number of items ahead; results in order.

        Args:
            function: Called in a thread.
            items: Consumed as far as the results are, plus the depth.
            share: The share of the run's requests that the calls make; it bounds how many may be
                under way or finished but not yet taken. None if most make none: then there may be
                as many as requests at once.

        Raises:
            Exception: What the items raise, after the results of those that came before.
        """
        pending: deque[Future[tuple[Result, int]]] = deque()
        fault: Exception | None = None
        source = iter(items)
        try:
            while True:
                try:
                    item = next(source)
                except StopIteration:
                    break
                except Exception as error:  # noqa: BLE001 - raised below
                    fault = error
                    break
                pending.append(self._pool.submit(self._call, function, item))
                while len(pending) >= self._depth(share, pending):
                    yield pending.popleft().result()[0]
            while pending:
                yield pending.popleft().result()[0]
            if fault:
                raise fault
        finally:
            for future in pending:
                future.cancel()

    def map_promptly(
        self, function: Callable[[Item], Result], items: Iterable[Item], share: float = 1
    ) -> Iterator[Result]:
        """Do as ``map``, but do not let the first result wait until others are under way.

        Nor do others come, and wait in memory, before more than the first is wanted.
        """
        source = iter(items)
        yield from map(function, islice(source, 1))
        yield from self.map(function, source, share)

    def _call(self, function: Callable[[Item], Result], item: Item) -> tuple[Result, int]:
        """Call a function in a thread; return its result, and the bytes that it has asked for."""
        self._of_thread.bytes = 0
        return function(item), self._of_thread.bytes

    def _depth(self, share: float | None, pending: Iterable[Future[tuple[Any, int]]]) -> int:
        """Tell how many calls may be under way, or finished but not yet taken.

        As many as keep the permitted rate in use at the latency there is now: what is read further
        ahead would wait in memory, and nothing would be won.
        """
        if share is None:
            return self._concurrency
        if _bytes_waiting(pending) >= _ENOUGH_BYTES:
            return _SPARE_CALLS
        useful = _SPARE_SHARE * share * self._rate * self._latency + _SPARE_CALLS
        return max(_SPARE_CALLS, math.ceil(min(useful, share * self._concurrency)))


def _bytes_waiting(pending: Iterable[Future[tuple[Any, int]]]) -> int:
    finished = (future for future in pending if future.done() and not future.exception())
    return sum(future.result()[1] for future in finished)
