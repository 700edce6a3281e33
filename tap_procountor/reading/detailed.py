"""Lists whose rows are completed by batches of details."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from tap_procountor.client import decode
from tap_procountor.convert import Rejection
from tap_procountor.errors import ApiError, NotFoundError, RecordError
from tap_procountor.reading.answers import as_array, by_id, id_of
from tap_procountor.reading.batches import PAGE_SIZE, Batch, Documents
from tap_procountor.reading.keyset import KeysetList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_procountor.client import Params
    from tap_procountor.companies import Company
    from tap_procountor.reading.batches import Row
    from tap_procountor.reading.keyset import Page


def details_of(company: Company, path: str, ids: list[int]) -> list[Raw]:
    """Get a batch. Unknown ids are left out, and if all are, the answer is 404."""
    if not ids:
        return []
    try:
        details: list[Raw] = company.get(f"{path}/{','.join(map(str, ids))}", parse=as_array)
    except NotFoundError:
        return []
    return details


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
        # One page, one batch of details.
        self._list = KeysetList(company, path, filters, share=1 / 2)

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
        detailed = self._company.threads.map_promptly(
            self._with_details, pages, share=1 / 2, gently=True
        )
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
        return page, self._details(page.ids)

    def _details(self, ids: list[int]) -> list[Raw]:
        return details_of(self._company, self._path, ids)

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
            return {id_of(text): text for text in texts}
        except msgspec.ValidationError:
            return by_id(texts, [])
