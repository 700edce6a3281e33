"""Lists that the API gives in no order of ids: by page number, or as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from tap_procountor.errors import ApiError
from tap_procountor.readers.batch import PAGE_SIZE, Batch, Documents, Row
from tap_procountor.readers.list_page import by_id, meta_of, records_in

if TYPE_CHECKING:
    from msgspec import Raw

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.readers.list_page import Source
    from tap_procountor.records.rejection import Rejection

#: How often a list that changes while it is read is begun anew.
_MAX_READINGS = 5


def unpaged_batches(texts: list[Raw]) -> Iterator[Batch]:
    """Cut a list that came as a whole into batches in ascending order of ids."""
    rejected: list[Rejection] = []
    rows = iter(sorted(by_id(texts, rejected).items()))
    while (chunk := [*islice(rows, PAGE_SIZE)]) or rejected:
        documents = Documents([(text,) for _, text in chunk])
        yield Batch(documents, [Row(number) for number, _ in chunk], rejected=rejected)
        rejected = []


def numbered_rows(company: Company, path: str, filters: Params, key: str = "id") -> list[Source]:
    """Read a list that the API gives by page number only, as a whole.

    Raises:
        ApiError: If the list does not come to rest.
    """
    rows: list[Source] = []
    for reading in _readings(company, path, filters, key):
        rows = [row for page, _ in reading for row in page]
    return rows


def numbered_pages(company: Company, path: str, filters: Params) -> Iterator[list[Source]]:
    """Read a list that the API gives by page number only, page by page.

    If it has to be read again, only rows that have not come yet are yielded. A row that is deleted
    after it has come is not taken back.

    Raises:
        ApiError: If the list does not come to rest.
    """
    come: set[Any] = set()
    for reading in _readings(company, path, filters, "id"):
        for rows, ids in reading:
            yield [row for row, number in zip(rows, ids, strict=True) if number not in come]
            come.update(number for number in ids if number is not None)


_Pages = Iterator[tuple[list["Source"], list[Any]]]


def _readings(company: Company, path: str, filters: Params, key: str) -> Iterator[_Pages]:
    """Read a list until it has come to rest; yield each reading: its pages, and their rows' ids.

    Page numbers skip or repeat rows when something changes in between. The list is therefore read
    again until the ids are as many as the API counts, and each comes once, or the same ones come
    several times as in the reading before. These lists are short.

    Raises:
        ApiError: If the list does not come to rest.
    """
    repeated_before: Counter[Any] | None = None
    for _ in range(_MAX_READINGS):
        ids: list[Any] = []
        totals: set[int | None] = set()
        yield _noted(_numbered_pages_once(company, path, filters), key, ids, totals)
        known = [number for number in ids if number is not None]
        repeated = Counter(known) - Counter(set(known))
        if totals <= {len(ids), None} and (not repeated or repeated == repeated_before):
            return
        repeated_before = repeated
    msg = f"The list {path} keeps changing while it is read, or is not as long as the API says."
    raise ApiError(msg)


def _noted(
    pages: Iterator[tuple[list[Source], int | None]],
    key: str,
    ids: list[Any],
    totals: set[int | None],
) -> _Pages:
    """Yield the rows of pages and their ids; note ids and totals."""
    for rows, total in pages:
        numbers = [row.get(key) if isinstance(row, dict) else None for row in rows]
        ids += numbers
        totals.add(total)
        yield rows, numbers


def _numbered_pages_once(
    company: Company, path: str, filters: Params
) -> Iterator[tuple[list[Source], int | None]]:
    """Yield the rows of each page, and the total that came with them.

    Raises:
        ApiError: If the list has no end.
    """
    before: list[Source] = []
    for number in count():
        answer = company.get(path, {**filters, "size": PAGE_SIZE, "page": number})
        rows, meta = records_in(answer, "results", path), meta_of(answer)
        is_short = len(rows) < min(PAGE_SIZE, meta.size or PAGE_SIZE)
        if rows and rows == before:
            if is_short:
                # The list knows no pages: each has all of its rows.
                return
            msg = f"The list {path} gives the same page again and again."
            raise ApiError(msg)
        yield rows, meta.total
        # A short page need not be the last unless there is a total to compare with.
        if not rows or (is_short and meta.total is not None):
            return
        before = rows
