"""How lists and documents are read: keyset pages, batches of details, both ahead of the writer.

Everything here is a lazy generator. Requests run in the client's threads a bounded number ahead;
results come in the order of their ids, so that whatever has been written is a prefix of the list.
"""

from __future__ import annotations

import re
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import chain, count, islice, pairwise, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Raw

from tap_procountor.client import decode
from tap_procountor.convert import Rejection
from tap_procountor.errors import ApiError, NotFoundError, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_procountor.census import Census
    from tap_procountor.client import Params
    from tap_procountor.companies import Company
    from tap_procountor.streams.base import ReadStream
    from tap_procountor.windows import Window

Source = dict[str, Any]

#: The most rows of a page and the most ids of a batch: one page, one batch.
PAGE_SIZE = 200

#: A list with more rows than this is read in several places at once.
_LONG_LIST = 4 * PAGE_SIZE
#: A long list is read in segments of this many pages; they wait in memory for their turn.
_SEGMENT_PAGES = 2
#: A segment's first page is one row short: its last page then always reaches into the next segment,
#: which shows that nothing lies between the two.
_HEAD_SIZE = PAGE_SIZE - 1

#: With so few rows left, a list has hardly a request that is not under way.
_NEAR_THE_END = 10 * PAGE_SIZE

#: So many parts per thread may have been begun and wait for their turn, most of them with few rows.
_PARTS_PER_THREAD = 2

#: How often a list that changes while it is read is begun anew.
_MAX_READINGS = 5


class Row(msgspec.Struct):
    """What must be known of a row of a list before it is parsed.

    Attributes:
        id: Its id.
        receipt_date: Its date, if it is a ledger receipt: it tells the tracking period.
    """

    id: int
    receipt_date: str | None = msgspec.field(name="receiptDate", default=None)


class _Meta(msgspec.Struct):
    size: int | None = msgspec.field(name="pageSize", default=None)
    total: int | None = msgspec.field(name="totalCount", default=None)


class _Listing(msgspec.Struct):
    rows: list[Row] = msgspec.field(name="results")
    meta: _Meta | None = None


class _Results(msgspec.Struct):
    results: list[Raw]
    meta: _Meta | None = None


_listing_decoder = msgspec.json.Decoder(_Listing)
_results_decoder = msgspec.json.Decoder(_Results)
_id_decoder = msgspec.json.Decoder(Row)
_FIRST_ID = re.compile(rb'\{"id":(\d+)[,}]')
_raws_decoder = msgspec.json.Decoder(list[Raw])


class Documents:
    """Objects of the API as text: parsed ones take much memory, so each waits for its turn.

    Args:
        sources: The text of the objects, in as many parts as are to be merged.
    """

    def __init__(self, sources: Sequence[tuple[Raw, ...]]) -> None:
        self._sources = sources

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sources)

    def texts(self) -> Iterator[Raw]:
        """Return all parts, unparsed."""
        return chain.from_iterable(self._sources)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the text of one after the other.

        Parts are put into one object; of a field that comes twice, parsing takes the later. None is
        empty: each has an id.
        """
        for parts in self._sources:
            fields = b",".join([memoryview(part)[1:-1] for part in parts])
            yield b"{%b}" % fields


def parsed(source: bytes | Source) -> Source:
    """Return an object of the API that may still be text."""
    document: Source = decode(source) if isinstance(source, bytes) else source
    return document


class Page:
    """One page of a list; its rows stay unparsed until needed, because many pages wait in memory.

    Attributes:
        listed: What must be known of the rows, in ascending order of their ids.
        rejected: Rows without an id.
        total: Rows in the whole list, if the API says so (it does since 24.05).
        is_last: Whether the list ends here.
    """

    def __init__(self, body: bytes, size: int, after: int, path: str) -> None:
        self._body = body
        self.rejected: list[Rejection] = []
        try:
            listing = _listing_decoder.decode(body)
        except msgspec.ValidationError:
            listing = self._salvaged(path)
        self.listed = listing.rows
        meta = listing.meta or _Meta()
        self.total = meta.total
        self.is_last = len(self) < min(size, meta.size or size)
        if self.rejected and not (self.listed or self.is_last):
            msg = f"The list {path} is not as documented: no row has an id."
            raise ApiError(msg)
        if any(low >= high for low, high in pairwise([after, *self.ids])):
            msg = f"The list {path} does not come in ascending order of ids, as it was asked to."
            raise ApiError(msg)

    def __len__(self) -> int:
        """Return how many rows came, rejected ones included."""
        return len(self.listed) + len(self.rejected)

    @property
    def ids(self) -> list[int]:
        """The rows' ids."""
        return [row.id for row in self.listed]

    def texts(self) -> list[Raw]:
        """Return the text of each row."""
        texts = _results_decoder.decode(self._body).results
        if self.rejected:
            texts = list(_by_id(texts, []).values())
        return texts[: len(self.listed)]

    def cut(self, border: int) -> None:
        """Drop the rows from an id on: they belong to the next segment."""
        self.listed = [row for row in self.listed if row.id < border]

    def _salvaged(self, path: str) -> _Listing:
        """Take the rows that can be used from a page with others."""
        try:
            results = _results_decoder.decode(self._body)
        except msgspec.ValidationError as error:
            msg = f"The list {path} is not as documented: {error}."
            raise ApiError(msg) from None
        texts = _by_id(results.results, self.rejected)
        dates = (decode(text).get("receiptDate") for text in texts.values())
        rows = [
            Row(number, date if isinstance(date, str) else None)
            for number, date in zip(texts, dates, strict=True)
        ]
        return _Listing(rows, results.meta)


def _id_of(text: Raw) -> int:
    """Return the id of an object, which nearly always stands first."""
    first = _FIRST_ID.match(text)
    return int(first[1]) if first else _id_decoder.decode(text).id


def array(body: bytes) -> list[Raw]:
    """Split details: one id asked for gives an object, several give an array."""
    return _raws_decoder.decode(body if body.lstrip().startswith(b"[") else b"[" + body + b"]")


def _by_id(texts: Iterable[Raw], rejected: list[Rejection]) -> dict[int, Raw]:
    """Index objects by their ids; note those that have none."""
    indexed = {}
    for text in texts:
        source = decode(text)
        number = source.get("id") if isinstance(source, dict) else None
        if type(number) is int:
            indexed[number] = text
        else:
            error = RecordError("The API sent a record without an id.")
            rejected.append(Rejection.of(source, error))
    return indexed


class KeysetList:
    """A list of the API in ascending order of ids.

    It is read by ``previousId``. Page numbers would skip rows when something changes in between;
    they only serve to find where the segments of a long list may begin.

    Args:
        company: Whose list it is.
        path: The list, such as ``/invoices``.
        filters: Its filters; they must let rows leave the list while it is read, but none enter.
        has_numbers: Whether the list also knows page numbers.
    """

    def __init__(
        self, company: Company, path: str, filters: Params, *, has_numbers: bool = True
    ) -> None:
        self._company = company
        self._path = path
        self._filters = filters
        self._has_numbers = has_numbers

    def pages(self, after: int = 0, done: int = 0) -> Iterator[Page]:
        """Yield the pages that follow an id; only the first, if it has no rows, is empty.

        Args:
            after: The id; 0 for the whole list.
            done: How many rows of the list were before it when they were read.

        Raises:
            ApiError: If the list turns out to have more rows than came.
        """
        read, least_total = done, None
        for page in self._pages(after, done):
            read += len(page)
            if page.total is not None:
                least_total = min(page.total, page.total if least_total is None else least_total)
            yield page
        # Rows only leave: those that the newest answer counts must all have come.
        if least_total is not None and read < least_total:
            msg = f"The list {self._path} ended early: {read} of {least_total} rows came."
            raise ApiError(msg)

    def contains(self, number: int) -> bool:
        """Tell whether an id is still in the list."""
        return self._page(number - 1, size=1).ids == [number]

    def _pages(self, after: int, done: int) -> Iterator[Page]:
        first = self._page(after)
        yield first
        total = first.total or 0
        if self._has_numbers and total - done > _LONG_LIST:
            yield from self._segments(first, done, total)
        else:
            yield from self._following(first, None if after else total)

    def _page(self, after: int, size: int = PAGE_SIZE, number: int | None = None) -> Page:
        params = {**self._filters, "orderById": "ASC", "size": size}
        if after:
            params["previousId"] = after
        if number is not None:
            params["page"] = number
        page: Page = self._company.get(
            self._path, params, partial(Page, size=size, after=after, path=self._path)
        )
        return page

    def _following(self, page: Page, total: int | None) -> Iterator[Page]:
        """Yield the pages after one, one after the other."""
        read = len(page)
        # A total that is more than the first page has been seen to count the whole list.
        expected = total if total and total > read else None
        while not page.is_last and read != expected:
            page = self._page(page.ids[-1])
            read += len(page)
            yield page

    def _segments(self, first: Page, done: int, total: int) -> Iterator[Page]:
        """Yield the pages after the first of a long list, several segments being read at once."""
        ahead = self._company.threads.map
        # The other half of the requests is for details. These come in bursts: first heads, then the
        # rest of the segments.
        share = 1 / 2
        numbers = range(
            done // _HEAD_SIZE + _SEGMENT_PAGES, total // _HEAD_SIZE + 1, _SEGMENT_PAGES
        )
        heads = ahead(partial(self._page, 0, _HEAD_SIZE), numbers, share)
        segments = pairwise(chain([first], _ascending(heads, first.ids[-1]), [None]))
        for pages in ahead(self._segment, segments, share):
            yield from (page for page in pages if page is not first)

    def _segment(self, heads: tuple[Page | None, Page | None]) -> list[Page]:
        """Read from one head to the next, or to the end of the list."""
        head, next_head = heads
        assert head is not None  # noqa: S101 - only the last is None
        pages = [head]
        border = next_head.ids[0] if next_head else None
        while border is None or pages[-1].ids[-1] < border:
            if pages[-1].is_last:
                return pages
            page = self._page(pages[-1].ids[-1])
            if not page.ids:
                return pages
            pages.append(page)
        pages[-1].cut(border)
        return pages


def _ascending(heads: Iterable[Page], last: int) -> Iterator[Page]:
    """Yield heads as long as each begins after the one before.

    They do not when the list has become shorter, or if a server knows no page numbers here. The
    segment before then goes on to the end of the list.
    """
    for head in heads:
        if not head.ids or head.ids[0] <= last:
            return
        last = head.ids[0]
        yield head


class Batch(NamedTuple):
    """Documents that came together.

    Attributes:
        documents: Objects of the API; where there are list and detail, merged.
        listed: The rows of the list's page, where there is one.
        vanished: Ids that were listed but had been deleted when their details were asked for.
        rejected: Records that cannot be used.
        total: How many rows the list has, if the API says so.
        window: The progress of an incremental stream once these have been written.
        deleted: Ids that are gone since the last run.
        census: The census that holds once these have been written.
    """

    documents: Documents | Sequence[bytes | Source]
    listed: Sequence[Row] = ()
    vanished: Sequence[int] = ()
    rejected: Sequence[Rejection] = ()
    total: int | None = None
    window: Window | None = None
    deleted: Sequence[int] = ()
    census: Census | None = None


#: Ends reading ahead: what follows is not begun before its turn.
PAUSE = Batch(())


class DocumentList:
    """A list whose rows are completed by batches of details.

    Args:
        company: Whose documents they are.
        path: List and batch, such as ``/invoices`` and ``/invoices/{ids}``.
        filters: Filters of the list.
    """

    def __init__(self, company: Company, path: str, filters: Params) -> None:
        self._company = company
        self._path = path
        self._list = KeysetList(company, path, filters)

    def batches(
        self,
        after: int = 0,
        done: int = 0,
        on_page: Callable[[Sequence[Row]], None] = lambda _: None,
    ) -> Iterator[Batch]:
        """Yield the documents that follow an id.

        Args:
            after: As in ``KeysetList.pages``.
            done: Likewise.
            on_page: Called with the rows of each page as soon as it is there.
        """
        pages = self._noted(self._list.pages(after, done), on_page)
        # The list makes the other half of the requests.
        detailed = self._company.threads.map_promptly(self._with_details, pages, share=1 / 2)
        for page, details in detailed:
            yield self._merge(page, details)

    @staticmethod
    def _noted(pages: Iterable[Page], on_page: Callable[[Sequence[Row]], None]) -> Iterator[Page]:
        for page in pages:
            if len(page):
                on_page(page.listed)
                yield page

    def existing(self, ids: set[int]) -> set[int]:
        """Return those of the ids that there still are, asking for each."""
        ordered = sorted(ids)
        batches = [ordered[n : n + PAGE_SIZE] for n in range(0, len(ordered), PAGE_SIZE)]
        existing: set[int] = set()
        for batch, texts in zip(
            batches, self._company.threads.map(self._details, batches), strict=True
        ):
            found = self._by_id(texts).keys()
            # One without an id may be any of those asked for.
            existing.update(found if len(found) == len(texts) else batch)
        return existing

    def _with_details(self, page: Page) -> tuple[Page, list[Raw]]:
        return page, self._details(page.ids) if page.ids else []

    def _details(self, ids: list[int]) -> list[Raw]:
        """Get a batch. Unknown ids are left out, and if all are, the answer is 404."""
        path = f"{self._path}/{','.join(map(str, ids))}"
        try:
            details: list[Raw] = self._company.get(path, parse=array)
        except NotFoundError:
            return []
        return details

    def _merge(self, page: Page, texts: list[Raw]) -> Batch:
        """Complete the list's rows, which have fields that the details lack."""
        details = self._by_id(texts)
        rejected = page.rejected
        sources = []
        vanished = []
        for row, text in zip(page.listed, page.texts(), strict=True):
            if row.id in details:
                sources.append((text, details[row.id]))
            elif self._list.contains(row.id):
                error = RecordError(f"Its details did not come from {self._path}.")
                rejected.append(Rejection.of(decode(text), error))
            else:
                vanished.append(row.id)
        if page.ids and not sources and not vanished:
            msg = f"Rows of the list {self._path} come without details."
            raise ApiError(msg)
        return Batch(Documents(sources), page.listed, vanished, rejected, page.total)

    @staticmethod
    def _by_id(texts: list[Raw]) -> dict[int, Raw]:
        """Index details; those without an id are left out, so that their rows have none."""
        try:
            return {_id_of(text): text for text in texts}
        except msgspec.ValidationError:
            return _by_id(texts, [])


def records_in(answer: Any, name: str, path: str) -> list[Source]:  # noqa: ANN401 - any JSON
    """Return the records inside an answer; one without them is not empty but another.

    Raises:
        ApiError: If there are none.
    """
    records = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(records, list):
        msg = f"The answer of {path} is not as documented: it has no '{name}'."
        raise ApiError(msg)
    return records


def unpaged_batches(texts: list[Raw]) -> Iterator[Batch]:
    """Cut a list that came as a whole into batches in ascending order of ids."""
    rejected: list[Rejection] = []
    rows = iter(sorted(_by_id(texts, rejected).items()))
    while (chunk := [*islice(rows, PAGE_SIZE)]) or rejected:
        documents = Documents([(text,) for _, text in chunk])
        yield Batch(documents, [Row(number) for number, _ in chunk], rejected=rejected)
        rejected = []


def numbered_rows(company: Company, path: str, filters: Params, key: str = "id") -> list[Source]:
    """Read a list that the API gives by page number only, as a whole.

    Page numbers skip or repeat rows when something changes in between. The list is therefore read
    again until the ids are as many, each once, as the API counts; these lists are short.

    Raises:
        ApiError: If the list does not come to rest.
    """
    for _ in range(_MAX_READINGS):
        rows, totals = _numbered_rows_once(company, path, filters)
        ids = [row[key] for row in rows if isinstance(row, dict) and key in row]
        if len(set(ids)) == len(ids) and totals <= {len(rows), None}:
            return rows
    msg = f"The list {path} keeps changing while it is read, or is not as long as the API says."
    raise ApiError(msg)


def _numbered_rows_once(
    company: Company, path: str, filters: Params
) -> tuple[list[Source], set[int | None]]:
    """Read the pages once; return the rows and the totals that came with them."""
    pages = list(_numbered_pages_once(company, path, filters))
    return [row for rows, _ in pages for row in rows], {total for _, total in pages}


def numbered_pages(company: Company, path: str, filters: Params) -> Iterator[list[Source]]:
    """Read a list that the API gives by page number only, page by page.

    As in ``numbered_rows`` it is read again if it has changed; only rows that have not come yet
    are then yielded. A row that is deleted after it has come is not taken back.

    Raises:
        ApiError: If the list does not come to rest.
    """
    come: set[Any] = set()
    for _ in range(_MAX_READINGS):
        ids: list[Any] = []
        totals: set[int | None] = set()
        for rows, total in _numbered_pages_once(company, path, filters):
            numbers = [row.get("id") if isinstance(row, dict) else None for row in rows]
            yield [row for row, number in zip(rows, numbers, strict=True) if number not in come]
            come.update(number for number in numbers if number is not None)
            ids += numbers
            totals.add(total)
        is_unique = len(set(ids) - {None}) == len(ids) - ids.count(None)
        if is_unique and totals <= {len(ids), None}:
            return
    msg = f"The list {path} keeps changing while it is read, or is not as long as the API says."
    raise ApiError(msg)


def _numbered_pages_once(
    company: Company, path: str, filters: Params
) -> Iterator[tuple[list[Source], int | None]]:
    """Yield the rows of each page, and the total that came with them."""
    for number in count():
        answer = company.get(path, {**filters, "size": PAGE_SIZE, "page": number})
        rows = records_in(answer, "results", path)
        meta = answer.get("meta") or {}
        yield rows, meta.get("totalCount")
        if len(rows) < min(PAGE_SIZE, meta.get("pageSize") or PAGE_SIZE):
            return


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
        """Fetch more of a long list that has been begun, with as many requests as if it were read.

        The part before it comes to its end and leaves ever more of the permitted rate.
        """
        if len(self.fetched) != 1 or not self.fetched[0].done():
            return
        first = self.fetched[0].result()
        if first.batches and not first.error and _remaining(first.batches[-1]) > 0:
            self._fetch()

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
            yield batch


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
            if self._begun and _remaining(batch) <= _NEAR_THE_END:
                next(iter(self._begun.values())).go_on()
            yield batch

    def forget(self, stream: ReadStream, company: Company) -> None:
        """Read a part anew when it is taken: what it goes by has changed."""
        self._begun.pop((stream.name, company.id), None)

    def settle(self, seconds: float) -> None:
        """Wait for what is under way, but not for long."""
        wait([future for part in self._begun.values() for future in part.fetched], seconds)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _remaining(batch: Batch) -> int:
    """Tell how many rows of its list follow a batch, as far as is known."""
    return (batch.total or 0) - batch.window.done if batch.window else 0
