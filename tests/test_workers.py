"""Calls in threads: in which order their results come, how far ahead, and what they wait for."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING

import pytest

from tap_procountor.api.client import ProcountorClient
from tap_procountor.api.gate import Gate
from tap_procountor.api.workers import RequestThreads
from tap_procountor.errors import ApiError
from tap_procountor.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What nothing but a hanging test takes.
LONG_SECONDS = 20


def until_true(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "request"]


def client(sandbox: Sandbox, concurrency: int, rate: float = 1000) -> ProcountorClient:
    config = {"max_concurrency": concurrency, "requests_per_second": rate, "request_timeout": 10}
    return ProcountorClient(sandbox.config() | config)


def test_results_come_in_order_although_the_calls_end_in_another() -> None:
    def slow(number: int) -> int:
        time.sleep(0.003 * (number % 4 == 0))
        return number

    assert [*RequestThreads(8, rate=1000).map(slow, range(50))] == [*range(50)]


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_maps_inside_maps(concurrency: int) -> None:
    """Whatever the number of requests at once, none may wait for one that waits for it."""
    threads = RequestThreads(concurrency, rate=1000)
    gate = Gate(concurrency)
    finished = threading.Event()
    found: list[int] = []

    def leaves(depth: int) -> int:
        if depth:
            return sum(threads.map(leaves, [depth - 1] * 3))
        with gate.enter(0):
            return 1

    def count_leaves() -> None:
        found.append(leaves(3))
        finished.set()

    threading.Thread(target=count_leaves, daemon=True).start()
    assert finished.wait(LONG_SECONDS)
    assert found == [27]


def test_what_is_written_next_goes_first_wherever_it_was_begun() -> None:
    """Also from inside another call, and although much waits that was begun before."""
    threads = RequestThreads(5, rate=1000)
    gate = Gate(1)
    entered: list[str] = []

    def ask(order: int, name: str) -> None:
        with gate.enter(order):
            entered.append(name)

    def several(order: int, name: str) -> None:
        for _ in threads.map(partial(ask, order), [name] * 5):
            pass

    with gate.enter(0):
        later = threads.begin(partial(several, 30), "later")
        until_true(lambda: gate.waiting == 5)
        now = threads.begin(partial(several, 0), "now")
        until_true(lambda: gate.waiting == 10)
    for call in (later, now):
        call.result(LONG_SECONDS)
    assert entered == ["now"] * 5 + ["later"] * 5


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_are_under_way_than_permitted(concurrency: int) -> None:
    """Those of the main thread count, and those of calls that have waited for others."""
    with Sandbox(invoices=30, requests_per_second=0, latency_ms=50) as sandbox:
        one = client(sandbox, concurrency)
        auth = one.authenticator(sandbox.companies[0].api_key)

        def ask(_: int) -> None:
            one.read(auth, "/company")

        def ask_several(number: int) -> None:
            for _ in one.threads.map_promptly(ask, range(3)):
                pass
            ask(number)

        ask(0)
        began = time.monotonic()
        for _ in one.threads.map(ask_several, range(9)):
            ask(0)
        requests = 9 * (3 + 1 + 1)
        assert time.monotonic() - began >= requests * 0.05 / concurrency
        one.close()


def test_what_a_call_raises_comes_after_the_results_before_it() -> None:
    come: list[float] = []
    with pytest.raises(ZeroDivisionError):
        come.extend(RequestThreads(4, rate=1000).map(lambda number: 1 / (3 - number), range(10)))
    assert come == [1 / 3, 1 / 2, 1]


def test_what_the_items_raise_comes_after_the_results_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise LookupError

    come: list[int] = []
    with pytest.raises(LookupError):
        come.extend(RequestThreads(10, rate=1000).map(lambda number: number, items()))
    assert come == [0, 1, 2]


@pytest.mark.parametrize(
    ("latency", "share", "ahead"),
    [
        # 1.5 x 20 requests per second x latency x share, and two more.
        (0.1, 1, 5),
        (0.4, 1, 14),
        (0.4, 1 / 2, 8),
        # No more than the concurrency.
        (9.0, 1, 32),
        (0.1, None, 30),
    ],
)
def test_as_much_is_under_way_as_keeps_the_rate_in_use(
    latency: float, share: float | None, ahead: int
) -> None:
    threads = RequestThreads(30, rate=20)
    threads.note_latency(latency)
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    results = threads.map(lambda number: number, items(), share)
    assert [len(taken) - result for result in islice(results, 5)] == [ahead] * 5


def test_an_average_latency_is_what_the_depth_goes_by() -> None:
    threads = RequestThreads(30, rate=20)
    # The first counts in full, and each that follows for a tenth.
    for latency in (0.4, 0.4, 4.4):
        threads.note_latency(latency)
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    next(threads.map(lambda number: number, items()))
    assert len(taken) == 1.5 * 20 * 0.8 + 2


def test_after_the_end_no_request_is_sent_and_no_thread_is_left() -> None:
    with Sandbox(invoices=30, requests_per_second=0) as sandbox:
        # With the next request due in ten seconds.
        one = client(sandbox, 2, rate=0.1)
        auth = one.authenticator(sandbox.companies[0].api_key)
        calls = [one.threads.begin(partial(one.read, auth), "/company") for _ in range(10)]
        until_true(lambda: sandbox.statistics().token_requests == 1)
        began = time.monotonic()
        one.close()
        # Neither those that wait for the limiter nor those that wait at the gate.
        assert all(isinstance(call.exception(LONG_SECONDS), ApiError) for call in calls)
        until_true(lambda: not alive())
        assert time.monotonic() - began < 5
        assert len(sandbox.statistics().requests) == sandbox.statistics().token_requests == 1
        # Connections were opened all the same: the sandbox does not like to be stopped meanwhile.
        time.sleep(0.5)


def test_what_has_been_done_leaves_no_thread() -> None:
    threads = RequestThreads(10, rate=1000)
    assert len([*threads.map(lambda number: number, range(30))]) == 30
    until_true(lambda: not alive())


def test_what_is_under_way_does_not_hold_up_the_end_of_the_program() -> None:
    program = (
        "import threading, time\n"
        "from tap_procountor.api.workers import RequestThreads\n"
        "begun = threading.Event()\n"
        "RequestThreads(1, 1000).begin(lambda _: (begun.set(), time.sleep(60)), 0)\n"
        "begun.wait()\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=True).returncode == 0
