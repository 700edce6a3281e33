"""What Procountor's search of attachments knows beyond their owners: size, user and time.

The search is part of the Documents add-on; without it the answer is 403.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from tap_procountor.client import decode
from tap_procountor.convert import as_text
from tap_procountor.errors import ApiError, ForbiddenError
from tap_procountor.reading import PAGE_SIZE, Documents, records_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_procountor.companies import Company
    from tap_procountor.reading import Batch, Source

SEARCH_PATH = "/attachments"

_PAGES_KEPT = 10
_BEYOND_ALL_IDS = 2**63
_HAS_ATTACHMENTS = re.compile(rb'"attachments"\s*:\s*\[\s*\{')


class _Attachment(msgspec.Struct):
    id: int | None = None


class _Owner(msgspec.Struct):
    attachments: list[_Attachment] | None = None
    #: Of a bank statement, and those inside an event of it.
    events: list[_Owner] | None = None
    event: list[_Owner] | _Owner | None = None

    @property
    def inside(self) -> list[_Owner]:
        """What is inside and may have attachments as well."""
        inner = [self.event] if isinstance(self.event, _Owner) else self.event
        return [*(self.events or ()), *(inner or ())]

    @property
    def ids(self) -> Iterator[int]:
        """The ids of the attachments."""
        yield from (one.id for one in self.attachments or () if one.id is not None)
        for owner in self.inside:
            yield from owner.ids


_owner_decoder = msgspec.json.Decoder(_Owner)


class DocumentSearch:
    """Looks attachments up by their ids.

    The search has no filter for ids. But it comes in their order and from any id on, so that a page
    holds what follows one; neighbours are mostly attached to neighbours.

    Args:
        company: Whose attachments they are.

    Attributes:
        refusal: Why the company has no search, once that is known.
    """

    def __init__(self, company: Company) -> None:
        self._company = company
        self._pages: deque[tuple[range, dict[int, bytes]]] = deque(maxlen=_PAGES_KEPT)
        self._lock = threading.Lock()
        self.refusal: ForbiddenError | None = None

    def find(self, ids: Iterable[int]) -> dict[int, Source]:
        """Return what the search says about attachments; those that it does not know are missing.

        Raises:
            ProcountorError: If the search fails.
        """
        with self._lock:
            found = {number: self._look_up(number) for number in sorted(ids)}
        return {number: decode(row) for number, row in found.items() if row is not None}

    def _look_up(self, number: int) -> bytes | None:
        for span, rows in self._pages:
            if number in span:
                return rows.get(number)
        if self.refusal:
            return None
        try:
            span, rows = self._page(number)
        except ForbiddenError as refusal:
            self.refusal = refusal
            return None
        self._pages.append((span, rows))
        return rows.get(number)

    def _page(self, first: int) -> tuple[range, dict[int, bytes]]:
        """Return the rows from an id on, as text, and the ids that are known through them."""
        params = {"orderById": "ASC", "previousId": first - 1, "size": PAGE_SIZE}
        answer = self._company.get(SEARCH_PATH, params)
        results = records_in(answer, "results", SEARCH_PATH)
        rows = {
            row["attachmentId"]: as_text(row)
            for row in results
            if row.get("attachmentId") is not None
        }
        ids = list(rows)
        if ids != sorted(ids) or (ids and ids[0] < first):
            msg = (
                f"The list {SEARCH_PATH} does not come in ascending order of ids, as it was asked "
                "to."
            )
            raise ApiError(msg)
        size = (answer.get("meta") or {}).get("pageSize") or PAGE_SIZE
        is_last = len(results) < min(size, PAGE_SIZE) or not ids
        return range(first, _BEYOND_ALL_IDS if is_last else ids[-1] + 1), rows


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
