"""Calls that make requests, several at once: ahead of their turn, but no further than is useful."""

from __future__ import annotations

import math
import sys
import threading
from collections import deque
from concurrent.futures import Future
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

#: The weight of the newest answer in the average latency.
_WEIGHT_OF_ONE = 0.1
#: Latencies vary, and results are wanted in order: more are under way than the average needs.
_SPARE_SHARE = 1.5
_SPARE_CALLS = 2
#: So many more may be under way with each result that is taken, if a list is begun gently.
_MORE_PER_RESULT = 4


class RequestThreads:
    """Calls functions that make requests, each in a thread of its own.

    A call may thus wait for calls that it has begun itself, to any depth. Their number is bounded
    by how far each ``map`` goes ahead; how many requests are under way, and whose come first, is
    decided where they are made, by the client's ``Gate``. The threads are daemons: what is under
    way does not hold up the end of the program.

    Args:
        concurrency: Most requests at once.
        rate: The permitted requests per second.
    """

    def __init__(self, concurrency: int, rate: float) -> None:
        self._concurrency = concurrency
        self._rate = rate
        #: A moving average in seconds.
        self._latency = 1.0
        self._weight = 1.0

    def note_latency(self, seconds: float) -> None:
        """Take into account how long an answer has taken; the first one alone counts in full.

        Called from all threads; that one of two at a time is lost does no harm.
        """
        self._latency += self._weight * (seconds - self._latency)
        self._weight = _WEIGHT_OF_ONE

    @staticmethod
    def begin(function: Callable[[Item], Result], item: Item) -> Future[Result]:
        """Call a function in a thread of its own; the result holds what it returns or raises."""
        result: Future[Result] = Future()
        threading.Thread(
            target=_call, args=(function, item, result), name="request", daemon=True
        ).start()
        return result

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        share: float | None = 1,
        *,
        gently: bool = False,
    ) -> Iterator[Result]:
        """Call a function with each item, a bounded number of items ahead; results in order.

        Args:
            function: Called in a thread.
            items: Consumed as far as the results are, plus the depth.
            share: The share of the run's requests that the calls make; it bounds how many may be
                under way or finished but not yet taken. None if most make none: then there may be
                as many as requests at once.
            gently: Whether to begin with a few, and to go further ahead with each result taken:
                for large results, which wait in memory when they come before their turn.

        Raises:
            Exception: What the items raise, after the results of those that came before.
        """
        pending: deque[Future[Result]] = deque()
        most_pending = _MORE_PER_RESULT if gently else sys.maxsize
        fault: Exception | None = None
        source = iter(items)
        while True:
            try:
                item = next(source)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 - raised below
                fault = error
                break
            pending.append(self.begin(function, item))
            while len(pending) >= min(self._depth(share), most_pending):
                yield pending.popleft().result()
                most_pending += _MORE_PER_RESULT
        while pending:
            yield pending.popleft().result()
        if fault:
            raise fault

    def map_promptly(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        share: float = 1,
        *,
        gently: bool = False,
    ) -> Iterator[Result]:
        """Do as ``map``, but do not let the first result wait until others are under way.

        Nor do others come, and wait in memory, before more than the first is wanted.
        """
        source = iter(items)
        yield from map(function, islice(source, 1))
        yield from self.map(function, source, share, gently=gently)

    def _depth(self, share: float | None) -> int:
        """Tell how many calls may be under way, or finished but not yet taken.

        As many as keep the permitted rate in use at the latency there is now: what is read further
        ahead would wait in memory, and nothing would be won. And two more, so that a late answer
        does not leave a place empty.
        """
        if share is None:
            return self._concurrency
        requests_at_once = min(_SPARE_SHARE * self._rate * self._latency, self._concurrency)
        return math.ceil(share * requests_at_once) + _SPARE_CALLS


def _call(function: Callable[[Item], Result], item: Item, result: Future[Result]) -> None:
    try:
        result.set_result(function(item))
    except BaseException as error:  # noqa: BLE001 - raised where the result is taken
        result.set_exception(error)
