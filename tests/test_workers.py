"""The pool: what is begun first, how much at once and how far ahead, and what waits for what."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, wait
from contextlib import closing
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_procountor.api.workers import Pool, Task, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

#: What nothing but a hanging test takes.
LONG_SECONDS = 20

#: No more of those that are submitted later are begun before a task, whatever its order.
MOST_TO_PASS = 40


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(1, rate=1000)
    yield pool
    pool.close()


class Busy:
    """Keeps the workers of a pool busy until it is left."""

    def __init__(self, pool: Pool, workers: int = 1) -> None:
        self._go = threading.Event()
        begun = threading.Barrier(workers + 1)

        def work() -> None:
            begun.wait(LONG_SECONDS)
            self._go.wait(LONG_SECONDS)

        self.tasks = [pool.submit(work, 0) for _ in range(workers)]
        begun.wait(LONG_SECONDS)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._go.set()
        # Their workers begin what comes next.
        finish(self.tasks)


def finish(tasks: Iterable[Task[Any]]) -> None:
    assert not wait(tasks, LONG_SECONDS).not_done


def workers_alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "worker"]


def until_true(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_results_come_in_order_although_the_calls_end_in_another() -> None:
    workers = Workers(Pool(8, rate=1000))

    def slow(number: int) -> int:
        time.sleep(0.003 * (number % 4 == 0))
        return number

    assert [*workers.map(slow, range(50))] == [*range(50)]


@given(orders=st.lists(st.integers(0, 60), max_size=20))
@settings(max_examples=30, deadline=None)
def test_tasks_are_begun_by_rank(orders: list[int]) -> None:
    """Each lets as many pass that come later as its order says, but no more than the limit."""
    pool = Pool(1, rate=1000)
    begun: list[int] = []
    with Busy(pool):
        tasks = [pool.submit(partial(begun.append, at), order) for at, order in enumerate(orders)]
    finish(tasks)
    ranks = [(at + min(order, MOST_TO_PASS), at) for at, order in enumerate(orders)]
    assert begun == [at for _, at in sorted(ranks)]


def test_no_task_waits_for_ever(pool: Pool) -> None:
    """Urgent ones keep coming."""
    begun: list[str] = []
    with Busy(pool):
        tasks = [pool.submit(partial(begun.append, "late"), 1_000_000)]
        tasks += [pool.submit(partial(begun.append, "urgent"), 0) for _ in range(100)]
    finish(tasks)
    assert 0 < begun.index("late") < MOST_TO_PASS


def test_what_is_written_next_goes_first(pool: Pool) -> None:
    begun: list[str] = []

    def note(name: str) -> None:
        begun.append(name)

    with Busy(pool):
        later = [Workers(pool, order=30).submit(partial(note, "later")) for _ in range(5)]
        now = [Workers(pool, order=0).submit(partial(note, "now")) for _ in range(5)]
    finish([*later, *now])
    assert begun == ["now"] * 5 + ["later"] * 5


@pytest.mark.parametrize("size", [1, 2, 5])
def test_maps_inside_maps(size: int) -> None:
    """None may wait for a worker that waits for it."""
    workers = Workers(Pool(size, rate=1000))
    found: list[int] = []
    finished = threading.Event()

    def leaves(depth: int) -> int:
        return sum(workers.map(leaves, [depth - 1] * 3)) if depth else 1

    def count_leaves() -> None:
        found.append(leaves(3))
        finished.set()

    threading.Thread(target=count_leaves, daemon=True).start()
    assert finished.wait(LONG_SECONDS)
    assert found == [27]


def test_a_worker_that_waits_leaves_its_place_to_another() -> None:
    pool = Pool(2, rate=1000)
    go, begun = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(LONG_SECONDS)

    under_way = pool.submit(work, 0)
    assert begun.wait(LONG_SECONDS)
    waiting = pool.submit(under_way.result, 0)
    assert pool.submit(lambda: "in its place", 0).result(LONG_SECONDS / 2) == "in its place"
    assert not waiting.done()
    go.set()
    finish([waiting])


def test_a_worker_that_has_waited_counts_again(pool: Pool) -> None:
    back, go = threading.Event(), threading.Event()
    begun: list[str] = []
    later: list[Task[Any]] = []

    def wait_and_go_on() -> None:
        other = pool.submit(lambda: None, 0)
        # Its worker does not look for more before this one has gone on.
        other.add_done_callback(lambda _: back.wait(LONG_SECONDS))
        later.append(pool.submit(partial(begun.append, "later"), 0))
        other.result(LONG_SECONDS)
        back.set()
        go.wait(LONG_SECONDS)

    task = pool.submit(wait_and_go_on, 0)
    assert back.wait(LONG_SECONDS)
    time.sleep(0.05)
    assert begun == []
    go.set()
    finish([task, *later])
    assert begun == ["later"]


def test_what_a_call_raises_comes_after_the_results_before_it() -> None:
    workers = Workers(Pool(4, rate=1000))
    come: list[float] = []
    with pytest.raises(ZeroDivisionError):
        come.extend(workers.map(lambda number: 1 / (3 - number), range(10)))
    assert come == [1 / 3, 1 / 2, 1]


def test_what_the_items_raise_comes_after_the_results_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise LookupError

    workers = Workers(Pool(10, rate=1000))
    come: list[int] = []
    with pytest.raises(LookupError):
        come.extend(workers.map(lambda number: number, items()))
    assert come == [0, 1, 2]


def test_who_takes_no_more_results_leaves_no_calls_behind(pool: Pool) -> None:
    called: list[int] = []
    go = threading.Event()

    def call(number: int) -> None:
        called.append(number)
        assert not number or go.wait(LONG_SECONDS)

    with closing(cast("Generator[None]", Workers(pool).map(call, range(10)))) as results:
        next(results)
        until_true(lambda: 1 in called)
    go.set()
    finish([pool.submit(lambda: None, 0)])
    assert called == [0, 1]


@pytest.mark.parametrize(
    ("latency", "share", "ahead"),
    [
        # 1.5 x 20 requests per second x latency x share, and two more.
        (0.1, 1, 5),
        (0.4, 1, 14),
        (0.4, 1 / 2, 8),
        # No more than the size.
        (9.0, 1, 32),
        (0.1, None, 30),
    ],
)
def test_as_much_is_under_way_as_keeps_the_rate_in_use(
    latency: float, share: float | None, ahead: int
) -> None:
    pool = Pool(30, rate=20)
    pool.note_latency(latency)
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    results = Workers(pool).map(lambda number: number, items(), share)
    assert [len(taken) - result for result in islice(results, 5)] == [ahead] * 5
    pool.close()


def test_the_end_leaves_what_has_not_begun_alone() -> None:
    pool = Pool(1, rate=1000)
    called: list[int] = []
    with Busy(pool):
        task = pool.submit(partial(called.append, 1), 0)
        began = time.monotonic()
        pool.close()
        # It does not wait for what is under way, and nobody waits for what will not be.
        with pytest.raises(CancelledError):
            task.result(LONG_SECONDS)
        assert time.monotonic() - began < 1
    late = pool.submit(partial(called.append, 2), 0)
    until_true(lambda: not workers_alive())
    assert not late.done()
    assert called == []


def test_a_pool_without_work_keeps_no_threads() -> None:
    workers = Workers(Pool(10, rate=1000))
    assert len([*workers.map(lambda number: number, range(30))]) == 30
    until_true(lambda: not workers_alive())


def test_what_is_under_way_does_not_hold_up_the_end_of_the_program() -> None:
    program = (
        "import threading, time\n"
        "from tap_procountor.api.workers import Pool\n"
        "begun = threading.Event()\n"
        "Pool(1, 1000).submit(lambda: (begun.set(), time.sleep(60)), 0)\n"
        "begun.wait()\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=True).returncode == 0
