"""What is read ahead of the writer: the next streams, companies and lists."""

from __future__ import annotations

import sys
from concurrent.futures import wait
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from tap_procountor.readers.batch import PAGE_SIZE, Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from tap_procountor.api.company import Company
    from tap_procountor.api.workers import RequestThreads

#: With so few rows left, a list has hardly a request that is not under way.
_NEAR_THE_END = 10 * PAGE_SIZE

#: How many parts for each request at once may have been begun and wait for their turn, most of
#: them with few rows.
_PARTS_PER_REQUEST = 2


class Readable(Protocol):
    """What is read: a stream."""

    name: str
    #: Whether reading may begin before it is the stream's turn.
    reads_ahead: ClassVar[bool]

    def read(self, company: Company) -> Iterator[Any]:
        """Read a company's documents, lazily and without side effects."""


class _Handful(NamedTuple):
    """Batches that were fetched together.

    Attributes:
        batches: The batches, and what a stream has noted between them.
        is_last: Whether there are no more.
        error: What has ended the reading after them.
    """

    batches: list[Any]
    is_last: bool = False
    error: Exception | None = None


def _handful(batches: Iterator[Any]) -> _Handful:
    """Take batches until they hold as many rows as a page."""
    taken: list[Any] = []
    rows = 0
    try:
        for batch in batches:
            taken.append(batch)
            if isinstance(batch, Batch):
                rows += len(batch.listed) or len(batch.documents)
            if rows >= PAGE_SIZE:
                return _Handful(taken)
    except Exception as error:  # noqa: BLE001 - raised where the batches are taken
        return _Handful(taken, error=error)
    return _Handful(taken, is_last=True)


class Part:
    """Batches whose first ones can be fetched in the background, before their turn.

    Args:
        batches: Reads them; nothing has been taken from it.
        threads: They fetch the first ones.

    Attributes:
        fetched: The first ones, under way or there.
    """

    def __init__(self, batches: Iterator[Any], threads: RequestThreads) -> None:
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
        if len(self.fetched) == 1 and self.is_there and self.rows_left:
            self._fetch()

    @property
    def is_there(self) -> bool:
        """Whether those fetched first have come."""
        return bool(self.fetched) and self.fetched[0].done()

    @property
    def rows_left(self) -> int:
        """How many rows follow those fetched first; as long as nobody knows, there may be any."""
        if not self.is_there:
            return sys.maxsize
        first = self.fetched[0].result()
        left = [batch.left for batch in first.batches if isinstance(batch, Batch)]
        return left[-1] if left and not first.error else 0

    def __iter__(self) -> Iterator[Any]:
        """Yield what has been fetched and what follows."""
        for future in self.fetched:
            handful = future.result()
            yield from handful.batches
            if handful.error:
                raise handful.error
            if handful.is_last:
                return
        yield from self._batches

    def _fetch(self) -> None:
        self.fetched.append(self._threads.begin(_handful, self._batches))


class ReadAhead:
    """Begins to read what comes next while the writer is busy with what comes now.

    Each part is a stream of one company. Those whose turn comes next are begun in the background; a
    part that has more than a page goes on when the one before it comes to its end, so that the
    permitted rate is used in between as well. The rest is read when the part is taken.

    Args:
        parts: All parts in the order in which they will be taken.
        concurrency: Most requests at once.
    """

    def __init__(self, parts: Iterable[tuple[Readable, Company]], concurrency: int) -> None:
        self._parts = (part for part in parts if part[0].reads_ahead)
        self._concurrency = concurrency
        self._begun: dict[tuple[str, int], Part] = {}
        #: The part that the writer is at, if it was begun.
        self._taken: Part | None = None
        #: The list that follows the one that a part is at.
        self._next_lists: dict[tuple[str, int], Part | None] = {}

    def begin(self) -> None:
        """Begin parts, a few at once, until enough wait for their turn."""
        parts = (*self._begun.values(), self._taken)
        at_once = self._concurrency - sum(part is not None and not part.is_there for part in parts)
        ahead = _PARTS_PER_REQUEST * self._concurrency - len(self._begun)
        for stream, company in islice(self._parts, max(0, min(at_once, ahead))):
            part = Part(stream.read(company), company.threads)
            part.begin()
            self._begun[stream.name, company.id] = part

    def take(self, stream: Readable, company: Company) -> Iterator[Any]:
        """Yield the batches of a part; raises what reading raises."""
        key = stream.name, company.id
        self._taken = None
        self.begin()
        part = self._taken = self._begun.pop(key, None)
        self.begin()
        for batch in part or stream.read(company):
            self.begin()
            next_list = self._next_lists.get(key)
            if self._begun and isinstance(batch, Batch):
                left = batch.left + (next_list.rows_left if next_list else 0)
                if left <= _NEAR_THE_END:
                    next(iter(self._begun.values())).go_on()
            yield batch

    def in_turn(
        self, stream: Readable, company: Company, lists: Iterable[Iterator[Any]]
    ) -> Iterator[Any]:
        """Yield the batches of a part's lists; near the end of one, the next is begun."""
        parts = [Part(batches, company.threads) for batches in lists]
        for part, following in zip_longest(parts, parts[1:]):
            self._next_lists[stream.name, company.id] = following
            for batch in part:
                if following and isinstance(batch, Batch) and batch.left <= _NEAR_THE_END:
                    following.begin()
                    following.go_on()
                yield batch

    def forget(self, stream: Readable, company: Company) -> None:
        """Read a part anew when it is taken: what it goes by has changed."""
        self._begun.pop((stream.name, company.id), None)

    def settle(self, seconds: float) -> None:
        """Wait for what is under way, but not for long."""
        wait([future for part in self._begun.values() for future in part.fetched], seconds)
