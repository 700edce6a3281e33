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
from collections import OrderedDict, defaultdict
from concurrent.futures import Future
from typing import TYPE_CHECKING

import msgspec

from tap_procountor.api.client import decode
from tap_procountor.errors import ApiError, ForbiddenError, NotFoundError, ProcountorError
from tap_procountor.readers.batch import PAGE_SIZE, Documents
from tap_procountor.readers.list_page import ListPage, Meta, Results, decode_list, results_in
from tap_procountor.records.structs import LARGEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_procountor.api.company import Company
    from tap_procountor.readers.batch import Batch
    from tap_procountor.readers.list_page import Source

SEARCH_PATH = "/attachments"

#: Documents come in several lists, each in the order of ids, and each comes to the same pages: the
#: first so many are kept compressed, a few kilobytes each. The next list begins with these.
_PAGES_KEPT = 500
#: As many as may be looked at by the batches under way, with the default of max_concurrency.
_PAGES_AT_HAND = 24
#: What a page of this age does not have may have been attached since.
_OLD_SECONDS = 5.0
_BEYOND_ALL_IDS = LARGEST_ID + 1
_BAD_REQUEST = 400
#: So many are asked in turn before several at once.
_FEW_QUESTIONS = 2
#: What is known of attachments: their rows as text, None if the search has none.
Found = dict[int, bytes | None]

_HAS_ATTACHMENTS = re.compile(rb'"attachments"\s*:\s*\[\s*\{')


class _Attachment(msgspec.Struct):
    id: int | None = None


class _Owner(msgspec.Struct):
    attachments: list[_Attachment | None] | None = None
    #: Of a bank statement, and those inside an event of it.
    events: list[_Owner | None] | _Owner | None = None
    event: list[_Owner | None] | _Owner | None = None

    @property
    def inside(self) -> Iterator[_Owner]:
        """What is inside and may have attachments as well."""
        for inner in (self.events, self.event):
            yield from filter(None, [inner] if isinstance(inner, _Owner) else inner or ())

    @property
    def ids(self) -> Iterator[int]:
        """The ids of the attachments."""
        yield from (one.id for one in self.attachments or () if one and one.id is not None)
        for owner in self.inside:
            yield from owner.ids


class _Document(msgspec.Struct):
    """A row of the search."""

    id: int | None = msgspec.field(name="attachmentId", default=None)


_owner_decoder = msgspec.json.Decoder(_Owner)
_documents_decoder = msgspec.json.Decoder(ListPage[_Document])


def _documents_in(body: bytes) -> tuple[list[_Document], Results]:
    """Read a page of the search: the ids, and the rows as text."""
    documents = decode_list(_documents_decoder, body, SEARCH_PATH)
    return documents.rows, results_in(body, SEARCH_PATH)


class _Page(msgspec.Struct):
    """A page of the search.

    Attributes:
        first: The first id that it tells about.
        end: The first id that it does not tell about: the last page tells about all that follow.
        rows: The rows as text, by id.
        answered: When it came, on the clock of ``time.monotonic``.
    """

    first: int
    end: int
    rows: dict[int, bytes]
    answered: float

    def tells_about(self, number: int) -> bool:
        """Whether there is an id, or is none."""
        is_old = time.monotonic() > self.answered + _OLD_SECONDS
        return number in self.rows or (self.spans(number) and not is_old)

    def spans(self, number: int) -> bool:
        """Whether an id, if there was one then, is on the page."""
        return self.first <= number < self.end


#: A company and a first id.
_Key = tuple[int, int]

_encoder = msgspec.msgpack.Encoder()
_page_decoder = msgspec.msgpack.Decoder(_Page)


class KeptPages:
    """Pages of all companies, of which there may be hundreds: some at hand, others compressed."""

    def __init__(self) -> None:
        #: Those looked at last, by company and first id.
        self._at_hand: OrderedDict[_Key, _Page] = OrderedDict()
        self._packed: dict[_Key, bytes] = {}
        #: Where each of them ends.
        self._ends: dict[_Key, int] = {}
        #: The first ids of all of them, by company, in ascending order.
        self._first_ids: defaultdict[int, list[int]] = defaultdict(list)
        self._lock = threading.Lock()

    def add(self, company: Company, page: _Page) -> None:
        """Keep a page."""
        key = company.id, page.first
        with self._lock:
            if not (key in self._packed or key in self._at_hand):
                insort(self._first_ids[company.id], page.first)
            self._ends[key] = page.end
            self._packed.pop(key, None)
            self._lay_at_hand(key, page)

    def find(self, company: Company, number: int, *, of_any_age: bool = False) -> _Page | None:
        """Return the page of a company that tells about an id, or at any age did."""
        with self._lock:
            first_ids = self._first_ids[company.id]
            place = bisect_right(first_ids, number) - 1
            if place < 0:
                return None
            # Of those that begin before the id, the last reaches furthest, or nearly always.
            key = company.id, first_ids[place]
            page = self._at_hand.get(key)
            if page is None:
                page = _page_decoder.decode(zlib.decompress(self._packed[key]))
            self._lay_at_hand(key, page)
            is_wanted = page.spans(number) if of_any_age else page.tells_about(number)
            return page if is_wanted else None

    def gaps(self, company: Company, number: int) -> list[int]:
        """Return where the spans begin, from an id on, that no page tells or told about."""
        starts = []
        with self._lock:
            for first in self._first_ids[company.id]:
                if first > number:
                    starts.append(number)
                number = max(number, self._ends[company.id, first])
        return [*starts, number] if number < _BEYOND_ALL_IDS else starts

    def _lay_at_hand(self, key: _Key, page: _Page) -> None:
        self._at_hand[key] = page
        self._at_hand.move_to_end(key)
        if len(self._at_hand) > _PAGES_AT_HAND:
            self._put_away(*self._at_hand.popitem(last=False))

    def _put_away(self, key: _Key, page: _Page) -> None:
        """Compress a page that has not been, or forget it if there are too many."""
        if key in self._packed:
            return
        if len(self._packed) < _PAGES_KEPT:
            self._packed[key] = zlib.compress(_encoder.encode(page))
        else:
            self._first_ids[key[0]].remove(key[1])
            del self._ends[key]


class AttachmentSearch:
    """Looks attachments up by their ids; used by several threads at once.

    The search has no filter for ids. But it comes in their order and from any id on, so that a page
    holds what follows one; neighbours are mostly attached to neighbours.

    Args:
        company: Whose attachments they are.
        kept: Where pages are kept.

    Attributes:
        fault: Why the search is not asked any more, once that is known.
    """

    def __init__(self, company: Company, kept: KeptPages) -> None:
        self._company = company
        self._kept = kept
        self._lock = threading.Lock()
        #: Pages under way by the ids that they begin with.
        self._under_way: dict[int, Future[_Page | None]] = {}
        #: How many ids the newest full page told about: as many as another may.
        self._width: int | None = None
        self.fault: ProcountorError | None = None

    @property
    def is_off(self) -> bool:
        """Whether the company has no search, as far as can be told: it refuses to answer."""
        is_bad_request = isinstance(self.fault, ApiError) and self.fault.status == _BAD_REQUEST
        return is_bad_request or isinstance(self.fault, ForbiddenError | NotFoundError)

    def answers(self) -> bool:
        """Ask whether it does."""
        self._page_about(1)
        return self.fault is None

    def find(self, number: int) -> Source | None:
        """Return what the search says about an attachment, if it knows it.

        Raises:
            ProcountorError: If the search fails.
        """
        page = self._page_about(number)
        if self.fault and not self.is_off:
            raise self.fault
        row = page.rows.get(number) if page else None
        return None if row is None else decode(row)

    def begin(self, ids: Iterable[int]) -> Found:
        """Look attachments up with a question or two; for most batches these are enough."""
        found: Found = {}
        page, questions = None, 0
        for number in sorted(set(ids)):
            if page is None or not page.tells_about(number):
                page = self._kept.find(self._company, number)
            if page is None and questions < _FEW_QUESTIONS:
                questions += 1
                page = self._page_about(number)
            if page:
                found[number] = page.rows.get(number)
        return found

    def finish(self, ids: Iterable[int], found: Found) -> dict[int, Source]:
        """Look the others up, asking several questions at once; not to be called in their threads.

        Args:
            ids: All of them.
            found: What ``begin`` has found.

        Returns:
            What the search says; attachments that it does not know are missing.
        """
        left = sorted(set(ids) - found.keys())
        pages = self._company.threads.map(self._page_about, left)
        for number, page in zip(left, pages, strict=True):
            found[number] = page.rows.get(number) if page else None
        return {number: decode(row) for number, row in found.items() if row is not None}

    def documents_after(self, last: int) -> Iterator[list[tuple[int, Source]]]:
        """Yield all documents after an id, page by page, with their ids.

        Pages are taken as they were when they were looked at: what is newer comes after them.
        Whether there is something between them is asked for several at once.
        """
        number = last + 1
        if not self.fault:
            for _ in self._company.threads.map(self._ask, self._kept.gaps(self._company, number)):
                pass
        while number < _BEYOND_ALL_IDS:
            page = self._kept.find(self._company, number, of_any_age=True)
            page = page or self._page_about(number)
            if page is None:
                return
            yield [(one, decode(row)) for one, row in page.rows.items() if one >= number]
            number = page.end

    def _page_about(self, number: int) -> _Page | None:
        """Return the page that tells about an id; wait for it or ask, unless there is no search."""
        while True:
            with self._lock:
                page = self._kept.find(self._company, number)
                if page or self.fault:
                    return page
                expected = [
                    future
                    for first, future in self._under_way.items()
                    # At first it is not even known whether the company has a search.
                    if self._width is None or first <= number < first + self._width
                ]
                if not expected:
                    ours = self._under_way[number] = Future()
                    break
            for future in expected:
                page = future.result()
                if page and page.tells_about(number):
                    return page
        try:
            page = self._ask(number)
        except BaseException as error:
            ours.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._under_way[number]
        ours.set_result(page)
        return page

    def _ask(self, number: int) -> _Page | None:
        """Ask for the page that begins with an id."""
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
            msg = (
                f"The list {SEARCH_PATH} does not come in ascending order of ids, as it was asked "
                "to."
            )
            raise ApiError(msg)
        meta = results.meta or Meta()
        is_short = len(results.rows) < min(meta.size or PAGE_SIZE, PAGE_SIZE)
        # As in all lists, a short page need not be the last unless there is a total.
        is_last = not ids or (is_short and meta.total is not None)
        return _Page(first, _BEYOND_ALL_IDS if is_last else ids[-1] + 1, rows, time.monotonic())


def attachment_ids(batch: Batch) -> Iterator[int]:
    """Yield the ids of the attachments inside a batch's documents, which stay unparsed."""
    if not isinstance(batch.documents, Documents):
        return
    for text in batch.documents.texts():
        if _HAS_ATTACHMENTS.search(text):
            yield from _ids_in(text)


def _ids_in(text: msgspec.Raw) -> list[int]:
    try:
        return list(_owner_decoder.decode(text).ids)
    except msgspec.ValidationError:  # the record will be rejected
        return []
