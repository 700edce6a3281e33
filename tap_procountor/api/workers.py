"""The one pool of threads: calls by priority, results ahead of their turn but not too far."""

from __future__ import annotations

import heapq
import math
import sys
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any, TypeVar

from tap_procountor.api.gate import rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

#: The weight of the newest answer in the average latency.
_WEIGHT_OF_ONE = 0.1
#: Latencies vary, and results are wanted in order: more are under way than the average needs.
_SPARE_SHARE = 1.5
_SPARE_CALLS = 2
#: How many more may be under way with each result that is taken, if a list is begun gently.
_MORE_PER_RESULT = 4


class Task(Future[Result]):
    """A call that a worker makes.

    Tasks may wait for tasks of their own, to any depth: a worker that waits for another leaves its
    place to the next task.
    """

    def __init__(self, pool: Pool, call: Callable[[], Result]) -> None:
        super().__init__()
        self._pool = pool
        self._call = call

    def result(self, timeout: float | None = None) -> Result:
        """Wait for what the call returns, or raise what it raises."""
        if self.done():
            return super().result()
        with self._pool.away():
            return super().result(timeout)

    def run(self) -> None:
        """Make the call, unless nobody wants it any more."""
        # It holds its arguments, which may be large.
        call = self.__dict__.pop("_call")
        if not self.set_running_or_notify_cancel():
            return
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - raised where the result is needed
            self.set_exception(error)
        else:
            self.set_result(result)


class Pool:
    """Runs calls in threads, a limited number at once and the most urgent first.

    The threads end when there is nothing left to do, and are daemons: what is under way does not
    hold up the end of the program.

    Args:
        size: How many workers may be at work.
        rate: The permitted requests per second.
    """

    def __init__(self, size: int, rate: float) -> None:
        self._size = size
        self._rate = rate
        self._lock = threading.Lock()
        self._arrivals = count()
        #: A heap of rank, arrival, and the task that is to be begun.
        self._waiting: list[tuple[int, int, Task[Any]]] = []
        self._at_work: set[threading.Thread] = set()
        self._is_closed = False
        #: Of the answers: a moving average in seconds.
        self._latency = 1.0
        self._weight = 1.0

    def submit(self, call: Callable[[], Result], order: int) -> Task[Result]:
        """Have a call made.

        Args:
            call: The call.
            order: How many that are submitted later may be begun before it, up to a limit.
        """
        task = Task(self, call)
        with self._lock:
            arrival = next(self._arrivals)
            heapq.heappush(self._waiting, (rank(arrival, order), arrival, task))
            self._begin()
        return task

    @contextmanager
    def away(self) -> Iterator[None]:
        """Leave the place of the calling worker, which only waits, to the next task."""
        me = threading.current_thread()
        with self._lock:
            was_at_work = me in self._at_work
            self._at_work.discard(me)
            self._begin()
        try:
            yield
        finally:
            if was_at_work:
                # At once, even if it is then one too many: others wait for what it does.
                with self._lock:
                    self._at_work.add(me)

    def close(self) -> None:
        """Begin nothing any more."""
        with self._lock:
            self._is_closed = True
            for _, _, task in self._waiting:
                task.cancel()
            self._waiting.clear()

    def note_latency(self, seconds: float) -> None:
        """Take into account how long an answer has taken; the first one alone counts in full.

        Called from all threads; that one of two at a time is lost does no harm.
        """
        self._latency += self._weight * (seconds - self._latency)
        self._weight = _WEIGHT_OF_ONE

    def depth(self, share: float | None) -> int:
        """Return how many calls may be under way, or finished but not yet taken.

        As many as keep the permitted rate in use at the latency there is now: what is read further
        ahead would wait in memory, and nothing would be won. And two more, so that a late answer
        does not leave a place empty.
        """
        if share is None:
            return self._size
        requests_at_once = min(_SPARE_SHARE * self._rate * self._latency, self._size)
        return math.ceil(share * requests_at_once) + _SPARE_CALLS

    def _begin(self) -> None:
        """Begin as many tasks as there are places."""
        while self._waiting and len(self._at_work) < self._size and not self._is_closed:
            _, _, task = heapq.heappop(self._waiting)
            worker = threading.Thread(target=self._work, args=(task,), name="worker", daemon=True)
            self._at_work.add(worker)
            worker.start()

    def _work(self, task: Task[Any] | None) -> None:
        while task:
            task.run()
            task = self._next()

    def _next(self) -> Task[Any] | None:
        """Return what the calling worker is to do next; None if it is to end."""
        with self._lock:
            if self._waiting and len(self._at_work) <= self._size and not self._is_closed:
                return heapq.heappop(self._waiting)[2]
            self._at_work.discard(threading.current_thread())
            return None


class Workers:
    """The pool as a part of the run uses it, whose calls all have the same priority.

    Args:
        pool: The pool.
        order: The place of the part in the run; see ``Pool.submit``.
    """

    def __init__(self, pool: Pool, order: int = 0) -> None:
        self.pool = pool
        self._order = order

    def submit(self, call: Callable[[], Result]) -> Task[Result]:
        """Have a call made."""
        return self.pool.submit(call, self._order)

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
            function: Called in a worker.
            items: Consumed as far as the results are, plus the depth.
            share: The share of the run's requests that the calls make; it bounds how many may be
                under way or finished but not yet taken. None if most make none: then there may be
                as many as requests at once.
            gently: Whether to begin with a few, and to go further ahead with each result taken:
                for large results, which wait in memory when they come before their turn.

        Raises:
            Exception: What the items raise, after the results of those that came before.
        """
        pending: deque[Task[Result]] = deque()
        most_pending = _MORE_PER_RESULT if gently else sys.maxsize
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
                pending.append(self.submit(partial(function, item)))
                while len(pending) >= min(self.pool.depth(share), most_pending):
                    yield pending.popleft().result()
                    most_pending += _MORE_PER_RESULT
            while pending:
                yield pending.popleft().result()
            if fault:
                raise fault
        finally:
            for task in pending:
                task.cancel()

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
