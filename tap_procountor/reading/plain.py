"""Lists that the API gives in no order of ids: by page number, or as a whole."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING, Any

from tap_procountor.errors import ApiError
from tap_procountor.reading.answers import by_id, meta_of, records_in
from tap_procountor.reading.batches import PAGE_SIZE, Batch, Documents, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from msgspec import Raw

    from tap_procountor.client import Params
    from tap_procountor.companies import Company
    from tap_procountor.convert import Rejection
    from tap_procountor.reading.answers import Source

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
