"""How far is read ahead: what comes before its turn waits in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from tap_procountor.api.workers import RequestThreads
from tap_procountor.readers.batch import PAGE_SIZE, Batch, Row
from tap_procountor.readers.prefetch import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.company import Company
    from tap_procountor.streams.base.read import ReadStream


class Items:
    """Numbers, and how many of them have been taken."""

    taken = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(100):
            self.taken += 1
            yield number


@pytest.mark.parametrize(("gently", "taken"), [(True, [1, 5, 10, 15]), (False, [1, 13, 14, 15])])
def test_a_list_of_large_results_is_begun_gently(taken: list[int], *, gently: bool) -> None:
    threads = RequestThreads(concurrency=20, rate=1000)
    items = Items()
    results = threads.map_promptly(lambda number: -number, items, share=1 / 2, gently=gently)
    seen = [(next(results), items.taken) for _ in range(4)]
    assert seen == [(-number, count) for number, count in enumerate(taken)]
    assert [*results] == [-number for number in range(4, 100)]


def pages(count: int, log: list[int]) -> Iterator[Batch]:
    """Yield a list of so many pages, and note each that is read."""
    for page in range(count):
        log.append(page)
        rows = [Row(number) for number in range(page * PAGE_SIZE, (page + 1) * PAGE_SIZE)]
        yield Batch([], rows, total=count * PAGE_SIZE, left=(count - page - 1) * PAGE_SIZE)


class Lists:
    """A stream with several lists, which its parts are."""

    reads_ahead = True

    def __init__(self, name: str, ahead: list[ReadAhead], *counts: int) -> None:
        self.name = name
        self.logs: list[list[int]] = [[] for _ in counts]
        self._ahead = ahead
        self._counts = counts

    def read(self, company: Company) -> Iterator[Batch]:
        lists = [pages(count, log) for count, log in zip(self._counts, self.logs, strict=True)]
        return self._ahead[0].in_turn(cast("ReadStream", self), company, lists)


def settle() -> None:
    """Wait for what is under way."""
    for thread in threading.enumerate():
        if thread.name == "request":
            thread.join()


class Client:
    id = 1
    threads = RequestThreads(concurrency=2, rate=1000)


@pytest.mark.parametrize("last", [1, 9, 30])
def test_the_next_stream_waits_for_the_last_list_of_the_one_before(last: int) -> None:
    """Begun in full beside another list of the same stream, it would be a third in memory."""
    ahead: list[ReadAhead] = []
    first, following = Lists("invoices", ahead, 25, last), Lists("receipts", ahead, 40)
    company = cast("Company", Client())
    streams = [cast("ReadStream", first), cast("ReadStream", following)]
    ahead.append(ReadAhead([(stream, company) for stream in streams], concurrency=2))
    left = 25 + last
    rows: list[Any] = []
    for batch in ahead[0].take(streams[0], company):
        rows += batch.listed
        left -= 1
        settle()
        # Ten pages, and the one that has been fetched of the last list.
        assert left <= 10 + 1 or following.logs[0] in ([], [0])
        assert left > last or last > 10 or following.logs[0] == [0, 1]
    assert len(rows) == (25 + last) * PAGE_SIZE
    assert following.logs[0] == [0, 1]
    read = [row.id for batch in ahead[0].take(streams[1], company) for row in batch.listed]
    assert read == [*range(40 * PAGE_SIZE)]
