"""What is read ahead of the writer: the next streams, companies and lists."""

from __future__ import annotations

import sys
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, NamedTuple

from tap_procountor.readers.batch import PAGE_SIZE, PAUSE, Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_procountor.api.company import Company
    from tap_procountor.streams.base.read import ReadStream

#: With so few rows left, a list has hardly a request that is not under way.
_NEAR_THE_END = 10 * PAGE_SIZE

#: So many parts per thread may have been begun and wait for their turn, most of them with few rows.
_PARTS_PER_THREAD = 2


class _Handful(NamedTuple):
    """Batches that were fetched together.

    Attributes:
        batches: The batches.
        is_last: Whether there are no more.
        error: What has ended the reading after them.
    """

    batches: list[Batch]
    is_last: bool = False
    error: Exception | None = None


def _handful(batches: Iterator[Batch]) -> _Handful:
    """Take batches until they hold as many rows as a page."""
    taken: list[Batch] = []
    rows = 0
    try:
        for batch in batches:
            taken.append(batch)
            rows += len(batch.listed) or len(batch.documents)
            if rows >= PAGE_SIZE or batch is PAUSE:
                return _Handful(taken)
    except Exception as error:  # noqa: BLE001 - raised where the batches are taken
        return _Handful(taken, error=error)
    return _Handful(taken, is_last=True)


class Part:
    """Batches whose first ones can be fetched in the background, before their turn.

    Args:
        batches: Reads them; nothing has been taken from it.
        threads: Where they are fetched.

    Attributes:
        fetched: The first ones, under way or there.
    """

    def __init__(self, batches: Iterator[Batch], threads: ThreadPoolExecutor) -> None:
        self._batches = batches
        self._threads = threads
        self.fetched: list[Future[_Handful]] = []

    def begin(self) -> None:
        """Fetch as much as fills a page; for most parts that is everything."""
        if not self.fetched:
            self._fetch()

    def go_on(self) -> None:
        """Fetch more of a long list that has been begun, several requests being under way.

        The part before it comes to its end and leaves ever more of the permitted rate.
        """
        if len(self.fetched) == 1 and self.fetched[0].done() and self.rows_left:
            self._fetch()

    @property
    def rows_left(self) -> int:
        """How many rows follow those fetched first; as long as nobody knows, there may be any."""
        if not (self.fetched and self.fetched[0].done()):
            return sys.maxsize
        first = self.fetched[0].result()
        return _remaining(first.batches[-1]) if first.batches and not first.error else 0

    def __iter__(self) -> Iterator[Batch]:
        """Yield what has been fetched and what follows."""
        for future in self.fetched:
            if future.cancel():
                # No thread has got to it: it must not be waited for in one of them.
                continue
            handful = future.result()
            yield from handful.batches
            if handful.error:
                raise handful.error
            if handful.is_last:
                return
        yield from self._batches

    def _fetch(self) -> None:
        self.fetched.append(self._threads.submit(_handful, self._batches))


def in_turn(parts: Sequence[Part]) -> Iterator[Batch]:
    """Yield the batches of one part after the other; near its end, the next is begun."""
    for part, following in zip_longest(parts, parts[1:]):
        for batch in part:
            if following and _remaining(batch) <= _NEAR_THE_END:
                following.begin()
                following.go_on()
            yield batch._replace(rows_after=following.rows_left) if following else batch


class ReadAhead:
    """Begins to read what comes next while the writer is busy with what comes now.

    Each part is a stream of one company. Those whose turn comes next are begun in the background; a
    part that has more than a page goes on when the one before it comes to its end, so that the
    permitted rate is used in between as well. The rest is read when the part is taken.

    Args:
        parts: All parts in the order in which they will be taken.
        threads: How many parts are fetched at once.
    """

    def __init__(self, parts: Iterable[tuple[ReadStream, Company]], threads: int) -> None:
        self._parts = iter(parts)
        self._depth = _PARTS_PER_THREAD * threads
        self._threads = ThreadPoolExecutor(threads, "read-ahead")
        self._begun: dict[tuple[str, int], Part] = {}

    def begin(self) -> None:
        """Begin parts until enough are under way or wait for their turn."""
        for stream, company in islice(self._parts, self._depth - len(self._begun)):
            part = self.part(stream.read(company))
            part.begin()
            self._begun[stream.name, company.id] = part

    def part(self, batches: Iterator[Batch]) -> Part:
        """Return a part to be begun when its turn comes near."""
        return Part(batches, self._threads)

    def take(self, stream: ReadStream, company: Company) -> Iterator[Batch]:
        """Yield the batches of a part; raises what reading raises."""
        self.begin()
        part = self._begun.pop((stream.name, company.id), None)
        self.begin()
        if part is None:
            yield from stream.read(company)
            return
        for batch in part:
            if self._begun and _remaining(batch) + batch.rows_after <= _NEAR_THE_END:
                next(iter(self._begun.values())).go_on()
            yield batch

    def forget(self, stream: ReadStream, company: Company) -> None:
        """Read a part anew when it is taken: what it goes by has changed."""
        self._begun.pop((stream.name, company.id), None)

    def settle(self, seconds: float) -> None:
        """Wait for what is under way, but not for long."""
        wait([future for part in self._begun.values() for future in part.fetched], seconds)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _remaining(batch: Batch) -> int:
    """Tell how many rows of its list follow a batch, as far as is known."""
    return max(0, (batch.total or 0) - batch.window.done) if batch.window else 0
