"""Lists whose rows are completed by batches of details."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Raw

from tap_procountor.errors import ApiError, RecordError, none_if_unknown
from tap_procountor.readers.batch import PAGE_SIZE, Batch, Documents
from tap_procountor.readers.isolation import ask_in_halves
from tap_procountor.readers.keyset import KeysetList
from tap_procountor.readers.list_page import as_array, by_id, id_of
from tap_procountor.records.converter import Rejection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.errors import ProcountorError
    from tap_procountor.readers.batch import Row
    from tap_procountor.readers.keyset import Page


class Existing(NamedTuple):
    """What the API says of ids that a list lacks.

    Attributes:
        ids: Those that exist.
        unclear: Why it cannot be told of others.
    """

    ids: set[int]
    unclear: dict[int, ProcountorError]


class Details(NamedTuple):
    """The details of a page.

    Attributes:
        texts: What came.
        failed: Why others did not, by id: asked for alone, they fail for good.
    """

    texts: list[Raw]
    failed: dict[int, ProcountorError]


def details_of(
    company: Company, path: str, ids: Sequence[int], *, may_all_fail: bool = False
) -> Details:
    """Get a batch. Unknown ids are left out, and if all are, the answer is 404.

    Raises:
        ProcountorError: As ``ask_in_halves``.
    """

    def ask(some: Sequence[int], max_tries: int | None) -> list[Raw]:
        batch = f"{path}/{','.join(map(str, some))}"
        texts: list[Raw] = []
        with none_if_unknown():
            texts += company.get(batch, parse=as_array, max_tries=max_tries)
        return texts

    if not ids:
        return Details([], {})
    parts, failed = ask_in_halves(ask, ids, may_all_fail=may_all_fail)
    return Details([*chain.from_iterable(parts)], failed)


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
        return self._completed(self._list.pages(after, done), on_page)

    def again(
        self, ids: Iterable[int], on_page: Callable[[Sequence[Row]], None]
    ) -> Iterator[Batch]:
        """Yield the documents of ids, as far as the list has them."""
        return self._completed(self._list.rows(ids), on_page, may_all_fail=True)

    def existing(self, ids: set[int]) -> Existing:
        """Find out which of the ids still exist, asking for each."""
        ordered = sorted(ids)
        batches = [ordered[n : n + PAGE_SIZE] for n in range(0, len(ordered), PAGE_SIZE)]
        ask = partial(details_of, self._company, self._path, may_all_fail=True)
        existing: set[int] = set()
        unclear: dict[int, ProcountorError] = {}
        for batch, details in zip(batches, self._company.threads.map(ask, batches), strict=True):
            found = by_id(details.texts, []).keys()
            # One without an id may be any of those asked for.
            existing.update(found if len(found) == len(details.texts) else batch)
            unclear |= details.failed
        return Existing(existing, unclear)

    def _completed(
        self,
        pages: Iterable[Page],
        on_page: Callable[[Sequence[Row]], None],
        *,
        may_all_fail: bool = False,
    ) -> Iterator[Batch]:
        def complete(page: Page) -> tuple[Page, Details]:
            ids = page.ids
            return page, details_of(self._company, self._path, ids, may_all_fail=may_all_fail)

        detailed = self._company.threads.map_promptly(
            complete, self._noted(pages, on_page), share=1 / 2, gently=True
        )
        for page, details in detailed:
            yield self._merge(page, details, may_all_fail=may_all_fail)

    @staticmethod
    def _noted(pages: Iterable[Page], on_page: Callable[[Sequence[Row]], None]) -> Iterator[Page]:
        for page in pages:
            if len(page):
                on_page(page.listed)
                yield page

    def _merge(self, page: Page, details: Details, *, may_all_fail: bool) -> Batch:
        """Complete the list's rows, which have fields that the details lack."""
        rejected = page.rejected
        known = self._by_id(details.texts, rejected)
        sources = []
        lacking: dict[int, Raw] = {}
        for row, text in zip(page.listed, page.texts(), strict=True):
            if row.id in known:
                sources.append((text, known[row.id]))
            elif row.id in details.failed:
                error = RecordError(str(details.failed[row.id]))
                rejected.append(Rejection.of(bytes(text), error))
            else:
                lacking[row.id] = text
        still_listed = {row.id for page in self._list.rows(lacking) for row in page.listed}
        if len(page.ids) > 1 and still_listed == {*page.ids} and not may_all_fail:
            msg = f"Rows of the list {self._path} come without details."
            raise ApiError(msg)
        error = RecordError(f"Its details did not come from {self._path}.")
        rejected += [Rejection.of(bytes(lacking[number]), error) for number in sorted(still_listed)]
        vanished = [number for number in lacking if number not in still_listed]
        return Batch(
            Documents(sources),
            page.listed,
            vanished,
            rejected,
            page.total,
            page.left,
            repeated=len(page.repeated),
        )

    @staticmethod
    def _by_id(texts: list[Raw], rejected: list[Rejection]) -> dict[int, Raw]:
        """Index details; those without an id are left out, so that their rows have none."""
        try:
            indexed = {id_of(text): text for text in texts}
        except msgspec.ValidationError:
            return by_id(texts, [])
        # Of two with one id, neither is taken without a word.
        return indexed if len(indexed) == len(texts) else by_id(texts, rejected)
