"""Lists in ascending order of ids, read by ``previousId``."""

from __future__ import annotations

import zlib
from functools import partial
from itertools import chain, compress, pairwise
from typing import TYPE_CHECKING

import msgspec

from tap_procountor.api.responses import decode
from tap_procountor.errors import ApiError
from tap_procountor.readers.batch import PAGE_SIZE, Row
from tap_procountor.readers.list_page import ListPage, Meta, by_id, results_in
from tap_procountor.readers.lister import ApiList, Lister, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from msgspec import Raw

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.records.rejection import Rejection

#: A list with more rows than this is read in several places at once.
_LONG_LIST = 4 * PAGE_SIZE
#: A long list is read in segments of this many pages; they wait in memory for their turn.
_SEGMENT_PAGES = 2
#: A segment's first page is one row short: its last page then always reaches into the next segment,
#: which shows that nothing lies between the two.
_HEAD_SIZE = PAGE_SIZE - 1
#: How often the page is asked for that says the list is empty although rows have come.
_MAX_TRIES_OF_AN_END = 2

_ASCENDING, _DESCENDING = "ASC", "DESC"


_Listing = ListPage[Row]
_listing_decoder = msgspec.json.Decoder(_Listing)


class KeysetPage(Page):
    """One page of a list, its rows in ascending order of their ids.

    Attributes:
        body: The page as it came.
        is_last: Whether the list ends here. Without a total a short page need not be the last.
        is_descending: Whether the rows came in descending order.
    """

    def __init__(self, body: bytes, size: int, after: int, path: str) -> None:
        self.body = body
        self._path = path
        self.rejected: list[Rejection] = []
        self.repeated: list[int] = []
        self._is_salvaged = False
        listing = self._read()
        self.listed = listing.rows
        #: Where the listed rows stand among those that can be used.
        self._places: Sequence[int] = range(len(self.listed))
        meta = listing.meta or Meta()
        self.total = meta.total
        self.left = 0
        is_short = len(self) < min(size, meta.size or size)
        self.is_last = is_short and (self.total is not None or not self.listed)
        if self.rejected and not (self.listed or self.is_last):
            msg = f"The list {path} is not as documented: no row has an id."
            raise ApiError(msg)
        self.is_descending = False
        if any(low >= high for low, high in pairwise([after, *self.ids])):
            self._turn_round()

    def _read(self) -> _Listing:
        try:
            listing = _listing_decoder.decode(self.body)
        except msgspec.ValidationError:
            return self._salvaged()
        is_unique = len({row.id for row in listing.rows}) == len(listing.rows)
        return listing if is_unique else self._salvaged()

    def _turn_round(self) -> None:
        """Put rows that came in descending order into ascending order."""
        self.listed, self._places = self.listed[::-1], self._places[::-1]
        self.is_descending = True
        if any(low >= high for low, high in pairwise(self.ids)):
            msg = f"The list {self._path} comes in no order of ids: it cannot be read by them."
            raise ApiError(msg)

    def texts(self) -> list[Raw]:
        texts = results_in(self.body, self._path).rows
        if self._is_salvaged:
            texts = list(by_id(texts, []).values())
        return [texts[place] for place in self._places]

    def cut(self, border: int) -> None:
        """Drop the rows from an id on: they belong to the next segment."""
        self._keep(lambda number: number < border)

    def keep_only(self, ids: Collection[int]) -> None:
        self._keep({*ids}.__contains__)
        self.rejected = [one for one in self.rejected if one.number is not None]

    def skip(self, after: int) -> None:
        """Drop the rows up to an id: they have come before."""
        self._keep(lambda number: number > after)

    def _keep(self, is_wanted: Callable[[int], bool]) -> None:
        selected = [is_wanted(row.id) for row in self.listed]
        self.listed = [*compress(self.listed, selected)]
        self._places = [*compress(self._places, selected)]
        self.repeated = [*filter(is_wanted, self.repeated)]
        self.rejected = [
            one for one in self.rejected if one.number is None or is_wanted(one.number)
        ]

    def _salvaged(self) -> _Listing:
        self._is_salvaged = True
        results = results_in(self.body, self._path)
        texts = by_id(results.rows, self.rejected, self.repeated)
        dates = (decode(text).get("receiptDate") for text in texts.values())
        rows = [
            Row(number, date if isinstance(date, str) else None)
            for number, date in zip(texts, dates, strict=True)
        ]
        return _Listing(rows, results.meta)


class KeysetList(ApiList):
    """A list of the API in ascending order of ids.

    It is read by ``previousId``. Page numbers would skip rows when something changes in between;
    they only serve to find where the segments of a long list may begin.

    Lists have several parameters of order that default to DESC, and no document says which wins. A
    list that comes in descending order in spite of what it was asked for is read downwards as a
    whole before its pages are yielded upwards: progress always means that all lower ids have come.

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
        share: float = 1,
        *,
        has_numbers: bool = True,
    ) -> None:
        super().__init__(company, path, filters, share)
        self._has_numbers = has_numbers

    def pages(self, after: int = 0, done: int = 0) -> Iterator[KeysetPage]:
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
                page.left = max(page.total - read, 0)
                least_total = min(page.total, page.total if least_total is None else least_total)
            yield page
        # Rows only leave: those that the newest answer counts must all have come.
        if least_total is not None and read < least_total:
            msg = f"The list {self.path} ended early: {read} of {least_total} rows came."
            raise ApiError(msg)

    def rows(self, ids: Iterable[int]) -> Iterator[KeysetPage]:
        left = sorted(ids)
        while left:
            # Two for one id: another row may have the same.
            page = self._page(left[0] - 1, size=PAGE_SIZE if len(left) > 1 else 2)
            beyond = page.ids[-1] if page.ids and not page.is_last else left[-1]
            if page.is_descending or page.ids[:1] < left[:1]:
                # Nothing that is not below the id: the list may come in descending order.
                page = self._page(left[0] + 1, size=2, order=_DESCENDING)
                beyond = left[0]
            page.keep_only(left)
            if page.listed:
                yield page
            left = [number for number in left if number > beyond]

    def first(self) -> Iterator[KeysetPage]:
        page = self._page(0, size=1)
        return iter([page] if len(page) else [])

    def existing(self, ids: Iterable[int]) -> set[int]:
        numbers = sorted(ids)
        are_listed = self.company.threads.map(lambda number: any(self.rows([number])), numbers)
        return {*compress(numbers, are_listed)}

    def _pages(self, after: int, done: int) -> Iterator[KeysetPage]:
        first = self._page(after)
        if first.is_descending or (after and self._may_descend(first, done)):
            yield from self._upwards(after)
            return
        yield first
        total = first.total or 0
        if self._has_numbers and total - done > _LONG_LIST:
            yield from self._segments(first, done, total)
        else:
            yield from self._following(first, None if after else total)

    def _may_descend(self, first: KeysetPage, done: int) -> bool:
        """Find out whether rows after an id may be missing because they come before it."""
        is_suspect = not len(first) and (first.total is None or first.total > done)
        return is_suspect and self._page(0, size=2).is_descending

    def _page(
        self,
        after: int,
        size: int = PAGE_SIZE,
        number: int | None = None,
        order: str = _ASCENDING,
    ) -> KeysetPage:
        params = {**self._filters, "orderById": order, "size": size}
        if after:
            params["previousId"] = after
        if number is not None:
            params["page"] = number
        above = after if order == _ASCENDING else 0
        parse = partial(KeysetPage, size=size, after=above, path=self.path)
        page: KeysetPage = self.company.get(self.path, params, parse)
        return page

    def _page_after(self, page: KeysetPage, order: str = _ASCENDING) -> KeysetPage:
        """Return the page that follows one.

        Raises:
            ApiError: If the list says that it is empty although it had announced more rows, or if
                the page is not in the order of those before.
        """
        descends = order == _DESCENDING
        last = page.ids[0] if descends else page.ids[-1]
        for _ in range(_MAX_TRIES_OF_AN_END):
            following = self._page(last, order=order)
            if len(following) or following.total != 0 or (page.total or 0) <= len(page):
                break
        else:
            msg = f"The list {self.path} turned out empty, although it had announced more rows."
            raise ApiError(msg)
        ids = following.ids
        is_in_order = following.is_descending == (descends and len(ids) > 1)
        if not is_in_order or (descends and ids and ids[-1] >= last):
            msg = f"The list {self.path} changes its order of ids while it is read."
            raise ApiError(msg)
        return following

    def _upwards(self, after: int) -> Iterator[KeysetPage]:
        """Yield the pages above an id of a list that comes in descending order.

        They wait compressed until the last has come, which takes a few kilobytes each.
        """
        page = self._page(0, order=_DESCENDING)
        bodies = [zlib.compress(page.body, 1)]
        while not page.is_last and page.ids[0] > after:
            page = self._page_after(page, _DESCENDING)
            bodies.append(zlib.compress(page.body, 1))
        while bodies:
            page = KeysetPage(zlib.decompress(bodies.pop()), PAGE_SIZE, 0, self.path)
            page.skip(after)
            yield page

    def _following(self, page: KeysetPage, total: int | None) -> Iterator[KeysetPage]:
        read = len(page)
        # A total that is more than the first page has been seen to count the whole list.
        expected = total if total and total > read else None
        while not page.is_last and read != expected:
            page = self._page_after(page)
            read += len(page)
            yield page

    def _segments(self, first: KeysetPage, done: int, total: int) -> Iterator[KeysetPage]:
        """Yield the pages after the first of a long list, several segments being read at once."""
        ahead = self.company.threads.map
        # One page of each segment is its head.
        head_share = self._share / _SEGMENT_PAGES
        numbers = range(
            done // _HEAD_SIZE + _SEGMENT_PAGES, total // _HEAD_SIZE + 1, _SEGMENT_PAGES
        )
        heads = ahead(partial(self._page, 0, _HEAD_SIZE), numbers, head_share)
        segments = pairwise(chain([first], _ascending(heads, first.ids[-1]), [None]))
        for pages in ahead(self._segment, segments, self._share - head_share):
            yield from (page for page in pages if page is not first)

    def _segment(self, heads: tuple[KeysetPage | None, KeysetPage | None]) -> list[KeysetPage]:
        """Read from one head to the next, or to the end of the list."""
        head, next_head = heads
        assert head is not None  # noqa: S101 - only the last is None
        pages = [head]
        border = next_head.ids[0] if next_head else None
        while border is None or pages[-1].ids[-1] < border:
            if pages[-1].is_last:
                return pages
            page = self._page_after(pages[-1])
            if not page.ids:
                return pages
            pages.append(page)
        pages[-1].cut(border)
        return pages


class Keyset(Lister):
    """Declares a list in order of ids; ``has_numbers`` says whether it also has page numbers."""

    list_type = KeysetList


def _ascending(heads: Iterable[KeysetPage], last: int) -> Iterator[KeysetPage]:
    """Yield heads as long as each begins after the one before.

    They do not when the list has become shorter, or if a server knows no page numbers here. The
    segment before then goes on to the end of the list.
    """
    for head in heads:
        if not head.ids or head.ids[0] <= last:
            return
        last = head.ids[0]
        yield head
