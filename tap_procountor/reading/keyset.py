"""Lists in ascending order of ids, read by ``previousId``."""

from __future__ import annotations

from functools import partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import msgspec

from tap_procountor.client import decode
from tap_procountor.errors import ApiError
from tap_procountor.reading.answers import Meta, by_id, results_in
from tap_procountor.reading.batches import PAGE_SIZE, Row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from msgspec import Raw

    from tap_procountor.client import Params
    from tap_procountor.companies import Company
    from tap_procountor.convert import Rejection

#: A list with more rows than this is read in several places at once.
_LONG_LIST = 4 * PAGE_SIZE
#: A long list is read in segments of this many pages; they wait in memory for their turn.
_SEGMENT_PAGES = 2
#: A segment's first page is one row short: its last page then always reaches into the next segment,
#: which shows that nothing lies between the two.
_HEAD_SIZE = PAGE_SIZE - 1


class _Listing(msgspec.Struct):
    rows: list[Row] = msgspec.field(name="results")
    meta: Meta | None = None


_listing_decoder = msgspec.json.Decoder(_Listing)


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
        self._path = path
        self.rejected: list[Rejection] = []
        #: Where the rows that are kept stand among those with an id, if not all are.
        self._places: list[int] | None = None
        try:
            listing = _listing_decoder.decode(body)
        except msgspec.ValidationError:
            listing = self._salvaged()
        self.listed = listing.rows
        self._has_others = bool(self.rejected)
        meta = listing.meta or Meta()
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
        texts = results_in(self._body, self._path).texts
        if self._has_others:
            texts = list(by_id(texts, []).values())
        if self._places is not None:
            return [texts[at] for at in self._places]
        return texts[: len(self.listed)]

    def cut(self, border: int) -> None:
        """Drop the rows from an id on: they belong to the next segment."""
        self.listed = [row for row in self.listed if row.id < border]

    def keep_only(self, ids: Collection[int]) -> None:
        """Drop the rows of other ids, and those without one."""
        wanted = {*ids}
        self._places = [at for at, row in enumerate(self.listed) if row.id in wanted]
        self.listed = [self.listed[at] for at in self._places]
        self.rejected = []

    def _salvaged(self) -> _Listing:
        """Take the rows that can be used from a page with others."""
        results = results_in(self._body, self._path)
        texts = by_id(results.texts, self.rejected)
        dates = (decode(text).get("receiptDate") for text in texts.values())
        rows = [
            Row(number, date if isinstance(date, str) else None)
            for number, date in zip(texts, dates, strict=True)
        ]
        return _Listing(rows, results.meta)


class KeysetList:
    """A list of the API in ascending order of ids.

    It is read by ``previousId``. Page numbers would skip rows when something changes in between;
    they only serve to find where the segments of a long list may begin.

    Args:
        company: Whose list it is.
        path: The list, such as ``/invoices``.
        filters: Its filters; they must let rows leave the list while it is read, but none enter.
        has_numbers: Whether the list also knows page numbers.
        share: The share of the run's requests that the list makes.
    """

    def __init__(
        self,
        company: Company,
        path: str,
        filters: Params,
        *,
        has_numbers: bool = True,
        share: float = 1,
    ) -> None:
        self._company = company
        self._path = path
        self._filters = filters
        self._has_numbers = has_numbers
        self._share = share

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

    def rows(self, ids: Iterable[int]) -> Iterator[Page]:
        """Yield the rows of ids, as far as the list has them, in pages."""
        left = sorted(ids)
        while left:
            page = self._page(left[0] - 1, size=PAGE_SIZE if len(left) > 1 else 1)
            beyond = page.ids[-1] if page.ids and not page.is_last else left[-1]
            page.keep_only(left)
            if page.listed:
                yield page
            left = [number for number in left if number > beyond]

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
        # One page of each segment is its head.
        head_share = self._share / _SEGMENT_PAGES
        numbers = range(
            done // _HEAD_SIZE + _SEGMENT_PAGES, total // _HEAD_SIZE + 1, _SEGMENT_PAGES
        )
        heads = ahead(partial(self._page, 0, _HEAD_SIZE), numbers, head_share)
        segments = pairwise(chain([first], _ascending(heads, first.ids[-1]), [None]))
        for pages in ahead(self._segment, segments, self._share - head_share):
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
