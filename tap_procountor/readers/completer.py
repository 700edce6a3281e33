"""What makes the rows of a list complete: nothing, details in batches, or a request for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from copy import copy
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec
from msgspec import Raw

from tap_procountor.api.responses import decode
from tap_procountor.errors import (
    ApiError,
    NotFoundError,
    ProcountorError,
    RecordError,
    none_if_unknown,
)
from tap_procountor.readers.batch import PAGE_SIZE, Batch, Documents
from tap_procountor.readers.isolation import ask_in_halves, attempting, isolated
from tap_procountor.readers.list_page import as_array, by_id, id_of
from tap_procountor.readers.lister import divided
from tap_procountor.records.rejection import Rejection, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tap_procountor.api.company import Company
    from tap_procountor.readers.lister import ApiList, Lister, Page
    from tap_procountor.records.schema import RecordSchema


#: Ids that exist although a list lacks them, and why that cannot be told of others.
Existing = tuple[set[int], dict[int, ProcountorError]]


class Details(NamedTuple):
    """The details of a page.

    Attributes:
        texts: What came, by the id that it was asked for with.
        failed: Why others did not, by id: asked for alone, they fail for good.
        rejected: What came twice with different content.
    """

    texts: dict[int, Raw]
    failed: Mapping[int, ProcountorError]
    rejected: Sequence[Rejection] = ()


class Completer(ABC):
    """Declares what completes the rows of a stream's list.

    Attributes:
        list_share: The share of the stream's requests that the list makes.
        detail_path: Where the details are below the list, if there are any.
        follows_the_list: Whether the records are the rows of the list.
        lister: The stream's list, once the completer is one of a stream.
        name_in_source: Returns what the API calls a field that the tap adds, likewise.
    """

    list_share: float = 1
    detail_path = ""
    follows_the_list = True

    lister: Lister
    name_in_source: Callable[[str], str]

    def of(self, lister: Lister, schema: RecordSchema) -> Self:
        """Return the completer of a stream.

        Args:
            lister: The stream's list.
            schema: The schema of its records.
        """
        bound = copy(self)
        bound.lister, bound.name_in_source = lister, schema.name_in_source
        return bound

    def paths(self, path: str) -> tuple[str, ...]:
        return (path, path + self.detail_path) if self.detail_path else (path,)

    @abstractmethod
    def complete(
        self, api_list: ApiList, pages: Iterable[Page], *, may_all_fail: bool = False
    ) -> Iterator[Batch]:
        """Yield the documents of pages.

        Args:
            api_list: The list that the pages are from.
            pages: The pages.
            may_all_fail: Whether it is no wonder if all fail: they have before.

        Raises:
            ProcountorError: If it is not single documents that cannot be read.
        """

    @abstractmethod
    def read_again(self, company: Company, ids: Sequence[int]) -> Iterator[Batch]:
        """Yield what shows which of the ids still exist, although the list lacks them.

        Raises:
            ProcountorError: If that cannot be told.
        """

    def existing(self, company: Company, ids: set[int]) -> Existing:
        """Find out which of the ids still exist, although the list lacks them.

        Raises:
            ProcountorError: If that cannot be told of any.
        """
        # Without bounds: a row whose date or version has moved still exists.
        return {number for one in self.lister.lists(company) for number in one.existing(ids)}, {}


class AsListed(Completer):
    """The rows of the list are complete.

    Args:
        has_batches: Whether the API also gives the documents by batches of ids.
    """

    def __init__(self, *, has_batches: bool = False) -> None:
        self._has_batches = has_batches

    def complete(self, api_list: ApiList, pages: Iterable[Page], **_: bool) -> Iterator[Batch]:  # noqa: ARG002
        for page in filter(len, pages):
            yield batch_of(page, _with_others(page, [(text,) for text in page.texts()]))

    def read_again(self, company: Company, ids: Sequence[int]) -> Iterator[Batch]:  # noqa: ARG002
        for one in self.lister.lists(company):
            yield from self.complete(one, one.pages())

    def existing(self, company: Company, ids: set[int]) -> Existing:
        """Ask for batches where there are any, else look in the list."""
        if self._has_batches:
            return _existing(company, self.lister.path, ids)
        return super().existing(company, ids)


class _WithDetails(Completer):
    """The rows of the list and their details each have fields that the other lacks."""

    def complete(
        self, api_list: ApiList, pages: Iterable[Page], *, may_all_fail: bool = False
    ) -> Iterator[Batch]:
        for page, details in self._detailed(
            api_list, filter(len, pages), may_all_fail=may_all_fail
        ):
            yield self._merged(api_list, page, details, may_all_fail=may_all_fail)

    def _merged(
        self, api_list: ApiList, page: Page, details: Details, *, may_all_fail: bool
    ) -> Batch:
        """Complete a page's rows; those without details have been deleted, or are rejected.

        Raises:
            ApiError: If none of them has details although all are still listed; unless the next run
                reads them anyway.
        """
        sources = []
        rejected = [*details.rejected]
        lacking: dict[int, Raw] = {}
        for number, text in zip(page.ids, page.texts(), strict=True):
            if number in details.texts:
                sources.append(self._merge(text, details.texts[number]))
            elif number in details.failed:
                error = RecordError(str(details.failed[number]))
                rejected.append(Rejection.of(bytes(text), error))
            else:
                lacking[number] = text
        still_listed = {number for one in api_list.rows(lacking) for number in one.ids}
        is_everything = len(page.ids) > 1 and still_listed == {*page.ids}
        if is_everything and api_list.has_progress and not may_all_fail:
            msg = f"Rows of the list {api_list.path} come without details."
            raise ApiError(msg)
        error = RecordError(f"Its details did not come from {api_list.path}.")
        rejected += [Rejection.of(bytes(lacking[number]), error) for number in sorted(still_listed)]
        vanished = [number for number in lacking if number not in still_listed]
        return batch_of(page, _with_others(page, sources), vanished, rejected)

    @abstractmethod
    def _detailed(
        self,
        api_list: ApiList,
        pages: Iterable[Page],
        *,
        may_all_fail: bool,
    ) -> Iterator[tuple[Page, Details]]:
        """Yield the details of each page."""

    @staticmethod
    def _merge(row: Raw, detail: Raw) -> tuple[Raw, ...]:
        """Return the parts of a document: of a field in both, the later counts."""
        return row, detail


class DetailBatches(_WithDetails):
    """Details come for 200 ids at once: ``/invoices/{ids}``."""

    # One page, one batch of details.
    list_share = 1 / 2
    detail_path = "/{ids}"

    def _detailed(
        self, api_list: ApiList, pages: Iterable[Page], *, may_all_fail: bool
    ) -> Iterator[tuple[Page, Details]]:
        def ask(page: Page) -> tuple[Page, list[Raw], dict[int, ProcountorError]]:
            batch = _batch_of(api_list.company, api_list.path, page.ids, may_all_fail=may_all_fail)
            return page, *batch

        share = 1 - self.list_share
        answers = api_list.company.threads.map_promptly(ask, pages, share, gently=True)
        for page, texts, failed in answers:
            rejected: list[Rejection] = []
            yield page, Details(_by_id(texts, rejected), failed, rejected)

    def read_again(self, company: Company, ids: Sequence[int]) -> Iterator[Batch]:
        for some in _divided(ids):
            texts, failed = _batch_of(company, self.lister.path, some)
            for error in failed.values():
                raise error
            yield Batch([*map(bytes, texts)])

    def existing(self, company: Company, ids: set[int]) -> Existing:
        return _existing(company, self.lister.path, ids)


class DetailEach(_WithDetails):
    """Details take a request for each row: ``/persons/{id}``."""

    # A page, and a request for each of its rows.
    list_share = 1 / (1 + PAGE_SIZE)
    detail_path = "/{id}"

    def _detailed(
        self, api_list: ApiList, pages: Iterable[Page], *, may_all_fail: bool
    ) -> Iterator[tuple[Page, Details]]:
        waiting: deque[Page] = deque()

        def ids() -> Iterator[int]:
            for page in pages:
                waiting.append(page)
                yield from page.ids

        def ask(number: int) -> Raw | None:
            try:
                return _detail(api_list.company, api_list.path, number)
            except NotFoundError:
                return None

        attempts = api_list.company.threads.map(attempting(ask), ids())
        answers: dict[int, Raw | RecordError | None] = {}
        try:
            for number, answer in isolated(attempts, may_all_fail=may_all_fail):
                answers[number] = answer
                # A page without rows of use has no answers to wait for.
                while waiting and answers.keys() >= {*waiting[0].ids}:
                    yield self._of_page(waiting.popleft(), answers)
        except ProcountorError:
            # What came before is not lost.
            if answers:
                yield self._of_page(next(divided(waiting[0], len(answers))), answers)
            raise
        for page in waiting:
            yield self._of_page(page, answers)

    @staticmethod
    def _of_page(page: Page, answers: dict[int, Raw | RecordError | None]) -> tuple[Page, Details]:
        own = {number: answers.pop(number) for number in page.ids}
        return page, Details(
            {number: one for number, one in own.items() if isinstance(one, Raw)},
            {number: one for number, one in own.items() if isinstance(one, RecordError)},
        )

    @staticmethod
    def _merge(row: Raw, detail: Raw) -> tuple[Raw, ...]:
        """Return a document; a field in both may have another type in the list."""
        return (Raw(as_text(decode(row) | decode(detail))),)

    def read_again(self, company: Company, ids: Sequence[int]) -> Iterator[Batch]:
        for number in ids:
            with none_if_unknown():
                yield Batch([bytes(_detail(company, self.lister.path, number))])


def batch_of(
    page: Page,
    documents: Documents | Sequence[bytes],
    vanished: Sequence[int] = (),
    rejected: Sequence[Rejection] = (),
) -> Batch:
    """Return the documents of a page, and what else is to be known of it."""
    return Batch(
        documents,
        page.listed,
        vanished,
        [*page.rejected, *rejected],
        page.total,
        page.left,
        repeated=len(page.repeated),
    )


def _with_others(page: Page, sources: Sequence[tuple[Raw, ...]]) -> Documents | list[bytes]:
    """Add rows without an id, which may be no objects, and could not be merged with anything."""
    documents = Documents(sources)
    return [*documents, *map(bytes, page.others)] if page.others else documents


def _by_id(texts: list[Raw], rejected: list[Rejection]) -> dict[int, Raw]:
    """Index details; those without an id are left out, so that their rows have none."""
    try:
        indexed = {id_of(text): text for text in texts}
    except msgspec.ValidationError:
        return by_id(texts, [])
    # Of two with one id, neither is taken without a word.
    return indexed if len(indexed) == len(texts) else by_id(texts, rejected)


def _detail(company: Company, path: str, number: int) -> Raw:
    """Ask for the details of one row.

    Raises:
        ProcountorError: If they do not come.
        TypeError: If the answer is no object.
    """
    text: Raw
    (text,) = company.get(f"{path}/{number}", parse=as_array)
    if not bytes(text).startswith(b"{"):
        raise TypeError
    return text


def _batch_of(
    company: Company, path: str, ids: Sequence[int], *, may_all_fail: bool = False
) -> tuple[list[Raw], dict[int, ProcountorError]]:
    """Ask for a batch. Unknown ids are left out, and if all are, the answer is 404.

    Returns:
        What came, and why other ids did not.

    Raises:
        ProcountorError: As ``ask_in_halves``.
    """

    def ask(some: Sequence[int], max_tries: int | None) -> list[Raw]:
        texts: list[Raw] = []
        with none_if_unknown():
            batch = f"{path}/{','.join(map(str, some))}"
            texts += company.get(batch, parse=as_array, max_tries=max_tries)
        return texts

    if not ids:
        return [], {}
    parts, failed = ask_in_halves(ask, ids, may_all_fail=may_all_fail)
    return [*chain.from_iterable(parts)], failed


def _existing(company: Company, path: str, ids: set[int]) -> Existing:
    """Ask for ids by batches: what comes exists."""
    batches = [*_divided(sorted(ids))]
    ask = partial(_batch_of, company, path, may_all_fail=True)
    existing: set[int] = set()
    unclear: dict[int, ProcountorError] = {}
    for batch, (texts, failed) in zip(batches, company.threads.map(ask, batches), strict=True):
        found = by_id(texts, []).keys()
        # One without an id may be any of those asked for.
        existing.update(found if len(found) == len(texts) else batch)
        unclear |= failed
    return existing, unclear


def _divided(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[at : at + PAGE_SIZE] for at in range(0, len(ids), PAGE_SIZE))
