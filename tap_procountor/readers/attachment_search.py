"""What only Procountor's search of attachments knows: size, user, time, files of no document.

The search is part of the Documents add-on. Without it the answer is 400, 403 or 404; whatever it
is, the search only adds to what the owners say.
"""

from __future__ import annotations

import re
import threading
import time
import zlib
from bisect import bisect_right, insort
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tap_procountor.api.responses import LARGEST_ID, decode
from tap_procountor.errors import ApiError, ForbiddenError, NotFoundError, ProcountorError
from tap_procountor.readers.batch import PAGE_SIZE, Documents
from tap_procountor.readers.list_page import ListPage, Meta, Results, decode_list, results_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_procountor.api.company import Company
    from tap_procountor.readers.batch import Batch
    from tap_procountor.readers.list_page import Source

SEARCH_PATH = "/attachments"

#: Documents come in several lists, each in the order of ids, and each asks for the same pages: the
#: first ones are kept, a few kilobytes each, for the next list begins with these.
_PAGES_KEPT = 500
#: As many of the others as the batches under way may need, with the default of max_concurrency.
_PAGES_AT_HAND = 24
#: What a page of this age lacks may have been attached since.
_OLD_SECONDS = 5.0
_BEYOND_ALL_IDS = LARGEST_ID + 1
_BAD_REQUEST = 400
#: The questions that a batch asks in turn before it asks several at once.
_FEW_QUESTIONS = 2

_HAS_ATTACHMENTS = re.compile(rb'"attachments"\s*:\s*\[\s*\{')


class _Attachment(msgspec.Struct):
    id: int | None = None


class _Owner(msgspec.Struct):
    """A document, or an event of a bank statement, which may hold others."""

    attachments: list[_Attachment | None] | None = None
    events: list[_Owner | None] | _Owner | None = None
    event: list[_Owner | None] | _Owner | None = None

    def ids(self) -> Iterator[int]:
        yield from (one.id for one in self.attachments or () if one and one.id is not None)
        for inner in (self.events, self.event):
            for owner in [inner] if isinstance(inner, _Owner) else inner or ():
                if owner:
                    yield from owner.ids()


class _Document(msgspec.Struct):
    """A row of the search."""

    id: int | None = msgspec.field(name="attachmentId", default=None)


_owner_decoder = msgspec.json.Decoder(_Owner)
_documents_decoder = msgspec.json.Decoder(ListPage[_Document])
_rows_decoder = msgspec.msgpack.Decoder(dict[int, bytes])


@lru_cache(_PAGES_AT_HAND)
def _unpacked(rows: bytes) -> dict[int, bytes]:
    return _rows_decoder.decode(zlib.decompress(rows))


class _Page(NamedTuple):
    """A page of the search: what has an id from ``first`` on and below ``end``.

    Attributes:
        first: The id that it was asked to begin with.
        end: The id after its last one; beyond all ids if no page follows.
        answered: When it came, on the clock of ``time.monotonic``.
        packed: Its rows, compressed.
    """

    first: int
    end: int
    answered: float
    packed: bytes

    @property
    def rows(self) -> dict[int, bytes]:
        return _unpacked(self.packed)

    def spans(self, number: int) -> bool:
        return self.first <= number < self.end

    def answers_for(self, number: int) -> bool:
        """Whether it has an id, or proves that no attachment has it."""
        is_new = time.monotonic() <= self.answered + _OLD_SECONDS
        return self.spans(number) and (is_new or number in self.rows)


class KeptPages:
    """Pages of all companies, of which there may be hundreds: the first ones and the newest."""

    def __init__(self) -> None:
        #: By company and first id, in the order in which they came.
        self._pages: dict[tuple[int, int], _Page] = {}
        #: The same keys in ascending order.
        self._keys: list[tuple[int, int]] = []
        self._lock = threading.Lock()

    def add(self, company: Company, page: _Page) -> None:
        key = company.id, page.first
        with self._lock:
            if key not in self._pages:
                insort(self._keys, key)
            self._pages[key] = page
            if len(self._pages) > _PAGES_KEPT + _PAGES_AT_HAND:
                oldest = next(islice(self._pages, _PAGES_KEPT, None))
                del self._pages[oldest]
                self._keys.remove(oldest)

    def find(self, company: Company, number: int) -> _Page | None:
        """Return the page, of any age, that spans an id."""
        with self._lock:
            place = bisect_right(self._keys, (company.id, number)) - 1
            if place < 0 or self._keys[place][0] != company.id:
                return None
            # Of those that begin before the id, the last reaches furthest, or nearly always.
            page = self._pages[self._keys[place]]
        return page if page.spans(number) else None

    def gaps(self, company: Company, number: int) -> list[int]:
        """Return where the spans begin, from an id on, that no page covers."""
        starts = []
        with self._lock:
            for owner, first in self._keys:
                if owner != company.id:
                    continue
                if first > number:
                    starts.append(number)
                number = max(number, self._pages[owner, first].end)
        return [*starts, number] if number < _BEYOND_ALL_IDS else starts


class AttachmentSearch:
    """Looks attachments up by their ids, for several threads at once.

    The search cannot filter by ids. But it lists them in ascending order from any id on, and
    neighbours are mostly attached to neighbours.

    Args:
        company: Whose attachments they are.
        kept: Where pages are kept.

    Attributes:
        fault: Why the search is not asked any more, once that is known.
    """

    def __init__(self, company: Company, kept: KeptPages) -> None:
        self._company = company
        self._kept = kept
        #: Notified when a question has been answered.
        self._answered = threading.Condition()
        #: The first ids of the pages under way.
        self._under_way: set[int] = set()
        #: How many ids the newest full page spans: as many as another may.
        self._width: int | None = None
        self.fault: ProcountorError | None = None

    @property
    def is_off(self) -> bool:
        """Whether the company has no search, as far as can be told: it refuses to answer."""
        is_bad_request = isinstance(self.fault, ApiError) and self.fault.status == _BAD_REQUEST
        return is_bad_request or isinstance(self.fault, ForbiddenError | NotFoundError)

    def answers(self) -> bool:
        """Ask the search, unless it has failed before, and return whether it answers."""
        self._page_about(1)
        return self.fault is None

    def find(self, number: int) -> Source | None:
        """Return what the search says about an attachment, if it knows it.

        Raises:
            ProcountorError: If the search fails.
        """
        row = self._row(number)
        if self.fault and not self.is_off:
            raise self.fault
        return None if row is None else decode(row)

    def rows_of(self, ids: Iterable[int]) -> dict[int, bytes]:
        """Return the rows of attachments as text; those that the search does not know are missing.

        A question or two, asked in turn, are enough for most batches; the rest is asked at once.
        """
        rows: dict[int, bytes | None] = {}
        left = []
        page, questions = None, 0
        for number in sorted(set(ids)):
            if page is None or not page.answers_for(number):
                page = self._kept_page(number)
            if page is None and questions < _FEW_QUESTIONS:
                questions += 1
                page = self._page_about(number)
            if page:
                rows[number] = page.rows.get(number)
            else:
                left.append(number)
        rows |= zip(left, self._company.threads.map(self._row, left), strict=True)
        return {number: row for number, row in rows.items() if row is not None}

    def documents_after(self, last: int) -> Iterator[list[tuple[int, Source]]]:
        """Yield all documents after an id, page by page, with their ids.

        Kept pages are taken as they were: what is newer comes after them. The gaps between them are
        filled first, by several questions at once.
        """
        number = last + 1
        if not self.fault:
            for _ in self._company.threads.map(self._ask, self._kept.gaps(self._company, number)):
                pass
        while number < _BEYOND_ALL_IDS:
            page = self._kept.find(self._company, number) or self._page_about(number)
            if page is None:
                return
            yield [(one, decode(row)) for one, row in page.rows.items() if one >= number]
            number = page.end

    def _row(self, number: int) -> bytes | None:
        page = self._page_about(number)
        return page.rows.get(number) if page else None

    def _kept_page(self, number: int) -> _Page | None:
        page = self._kept.find(self._company, number)
        return page if page and page.answers_for(number) else None

    def _page_about(self, number: int) -> _Page | None:
        """Return the page that answers for an id; None if the search has failed.

        Waits for a page under way that may; at first for any, for it is not even known whether the
        company has a search.
        """
        with self._answered:
            while True:
                page = self._kept_page(number)
                if page or self.fault:
                    return page
                width = self._width
                if not any(
                    width is None or first <= number < first + width for first in self._under_way
                ):
                    break
                self._answered.wait()
            self._under_way.add(number)
        try:
            return self._ask(number)
        finally:
            with self._answered:
                self._under_way.remove(number)
                self._answered.notify_all()

    def _ask(self, number: int) -> _Page | None:
        try:
            page = self._page(number)
        except ProcountorError as fault:
            self.fault = fault
            return None
        self._kept.add(self._company, page)
        if page.end < _BEYOND_ALL_IDS:
            self._width = page.end - page.first
        return page

    def _page(self, first: int) -> _Page:
        params = {"orderById": "ASC", "previousId": first - 1, "size": PAGE_SIZE}
        documents, results = self._company.get(SEARCH_PATH, params, _documents_in)
        rows = {
            document.id: bytes(text)
            for document, text in zip(documents, results.rows, strict=True)
            if document.id is not None
        }
        ids = list(rows)
        if ids != sorted(ids) or (ids and ids[0] < first):
            msg = f"The list {SEARCH_PATH} does not come in ascending order of ids, as requested."
            raise ApiError(msg)
        meta = results.meta or Meta()
        is_short = len(results.rows) < min(meta.size or PAGE_SIZE, PAGE_SIZE)
        # As in all lists, a short page need not be the last unless there is a total.
        is_last = not ids or (is_short and meta.total is not None)
        end = _BEYOND_ALL_IDS if is_last else ids[-1] + 1
        # Higher levels take three times as long for a page that is a seventh smaller.
        packed = zlib.compress(msgspec.msgpack.encode(rows), level=1)
        return _Page(first, end, time.monotonic(), packed)


def _documents_in(body: bytes) -> tuple[list[_Document], Results]:
    """Return the ids of a page of the search, and its rows as text."""
    documents = decode_list(_documents_decoder, body, SEARCH_PATH)
    return documents.rows, results_in(body, SEARCH_PATH)


def attachment_ids(batch: Batch) -> Iterator[int]:
    """Yield the ids of the attachments inside a batch's documents, which stay unparsed."""
    if not isinstance(batch.documents, Documents):
        return
    for text in batch.documents.texts():
        if _HAS_ATTACHMENTS.search(text):
            # A document that does not fit will be rejected.
            with suppress(msgspec.ValidationError):
                yield from _owner_decoder.decode(text).ids()
