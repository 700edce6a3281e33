"""Rows that the API gives by owner: the list is that of the owners, and completed by their rows."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from tap_procountor.api.responses import decode
from tap_procountor.errors import (
    UNFORESEEN,
    ApiError,
    NotFoundError,
    RecordError,
    none_if_unknown,
)
from tap_procountor.readers.batch import PAGE_SIZE, Batch
from tap_procountor.readers.completer import Completer, batch_of
from tap_procountor.readers.isolation import ask_in_halves, attempting, fault_of, isolated
from tap_procountor.readers.keyset import KeysetList
from tap_procountor.readers.list_page import records_in
from tap_procountor.readers.lister import divided
from tap_procountor.records.rejection import Rejection, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from msgspec import Raw

    from tap_procountor.api.company import Company
    from tap_procountor.errors import ProcountorError
    from tap_procountor.readers.list_page import Source
    from tap_procountor.readers.lister import ApiList, Page


class RowsOfOwner(Completer):
    """The rows of each owner take a request: ``/invoices/{id}/comments``.

    The records' schema must add the fields that they take from their owner, and ``position`` if it
    is wanted.

    Args:
        rows_path: Where the rows of an owner are.
        owner_fields: What the owner's fields, as the API names them, are called in the rows.
        records_field: The field of the answer that holds the rows; none if the answer is an array
            or one row.
        is_paged: Whether the rows of an owner come in pages.
        adds_position: Whether rows are numbered, from 0, because they have no id.
        may_have_none: Whether 404 means that an owner has no rows, as it may that it is unknown.
    """

    follows_the_list = False
    #: So many owners are asked for at once.
    owners_per_request = 1

    def __init__(  # noqa: PLR0913 - a declaration
        self,
        rows_path: str,
        owner_fields: dict[str, str],
        *,
        records_field: str | None = None,
        is_paged: bool = False,
        adds_position: bool = False,
        may_have_none: bool = False,
    ) -> None:
        self._rows_path = rows_path
        self.owner_fields = owner_fields
        self._records_field = records_field
        self._is_paged = is_paged
        self._adds_position = adds_position
        self._may_have_none = may_have_none
        self._rows_share = PAGE_SIZE / (PAGE_SIZE + self.owners_per_request)
        # The other requests are for the pages of the list.
        self.list_share = 1 - self._rows_share

    def paths(self, path: str) -> tuple[str, ...]:
        return (path, self._rows_path)

    def complete(
        self, api_list: ApiList, pages: Iterable[Page], *, may_all_fail: bool = False
    ) -> Iterator[Batch]:
        rows = partial(self._rows_of, api_list.company, may_all_fail=may_all_fail)
        chunks = (chunk for page in pages for chunk in divided(page, self.owners_per_request))
        return self._completed(api_list.company, rows, chunks, may_all_fail=may_all_fail)

    def _completed(
        self,
        company: Company,
        rows: Callable[[Page], Batch],
        chunks: Iterable[Page],
        *,
        may_all_fail: bool,
    ) -> Iterator[Batch]:
        attempts = company.threads.map_promptly(attempting(rows), chunks, self._rows_share)
        for owners, answer in isolated(attempts, may_all_fail=may_all_fail):
            if isinstance(answer, RecordError):
                rejected = [Rejection.of({"id": number}, answer) for number in owners.ids]
                yield batch_of(owners, [], rejected=rejected)
            else:
                yield answer

    def read_again(self, company: Company, ids: Sequence[int]) -> Iterator[Batch]:
        for one in self.lister.lists(company):
            yield from self.complete(one, one.rows(ids))

    def owner_of(self, rejection: Rejection) -> int | None:
        """Return the id of the owner of a row that cannot be used, if it is known."""
        try:
            source = decode(rejection.text.encode())
        except UNFORESEEN:
            return rejection.number
        names = (
            self.name_in_source(name) for name, field in self.owner_fields.items() if field == "id"
        )
        owner = source.get(next(names)) if isinstance(source, dict) else None
        return owner if type(owner) is int else rejection.number

    def _rows_of(self, company: Company, owners: Page, *, may_all_fail: bool) -> Batch:
        error = RecordError("The API sent a record without an id.")
        rejected = [Rejection.of(bytes(one), error) for one in owners.others]
        rows = Batch([])
        if owners.listed:
            several = [*map(self._reduced, owners.texts())]
            rows = self._ask(company, several, may_all_fail=may_all_fail)
        documents = [*map(as_text, rows.documents)]
        return batch_of(owners, documents, rows.vanished, [*rejected, *rows.rejected])

    def _reduced(self, text: Raw) -> Source:
        """Return what is needed of an owner: all of hundreds, in each thread, takes much memory."""
        owner = decode(text)
        return {name: owner.get(name) for name in ("id", *self.owner_fields.values())}

    def _ask(
        self,
        company: Company,
        owners: list[Source],
        *,
        may_all_fail: bool,  # noqa: ARG002
    ) -> Batch:
        (owner,) = owners
        if self._may_have_none:
            with none_if_unknown():
                return self._answered(company, owner)
            return Batch([])
        try:
            return self._answered(company, owner)
        except NotFoundError:
            error = RecordError(f"Its rows did not come from {self._rows_path}.")
            return self._without_rows(company, owner, error)

    def _without_rows(self, company: Company, owner: Source, error: RecordError) -> Batch:
        """Tell an owner that has been deleted from one whose rows are withheld."""
        if any(one.existing([owner["id"]]) for one in self.lister.lists(company)):
            return Batch([], rejected=[Rejection.of({"id": owner["id"]}, error)])
        return Batch([], vanished=[owner["id"]])

    def _answered(self, company: Company, owner: Source) -> Batch:
        """Ask for the rows of an owner.

        Raises:
            NotFoundError: If the API knows neither rows nor owner.
        """
        path = self._rows_path.format(id=owner["id"])
        if not self._is_paged:
            return Batch(self._owned(owner, self._rows_in(company.get(path))))
        # Without page numbers no threads are used: this runs in one of them.
        pages = list(KeysetList(company, path, {}, has_numbers=False).pages())
        rows = [decode(text) for page in pages for text in page.texts()]
        rejected = [rejection for page in pages for rejection in page.rejected]
        return Batch(self._owned(owner, rows), rejected=rejected)

    def _rows_in(self, answer: Any) -> list[Source]:  # noqa: ANN401 - any JSON
        if self._records_field:
            is_null = isinstance(answer, dict) and answer.get(self._records_field, ...) is None
            return [] if is_null else records_in(answer, self._records_field, self._rows_path)
        return answer if isinstance(answer, list) else [answer]

    def _owned(self, owner: Source, rows: list[Source]) -> list[Source]:
        inherited = {
            self.name_in_source(name): owner.get(field) for name, field in self.owner_fields.items()
        }
        numbers = (
            {"position": number} if self._adds_position else {} for number in range(len(rows))
        )
        return [
            # What is no object is rejected when it is converted.
            row | inherited | number if isinstance(row, dict) else row
            for row, number in zip(rows, numbers, strict=True)
        ]


class RowsOfOwners(RowsOfOwner):
    """The rows of 200 owners take one request, and come grouped by owner.

    Args:
        rows_path: Where the groups are.
        owner_fields: As in ``RowsOfOwner``.
        ids_parameter: The parameter that takes the owners' ids, repeated.
        group_field: The field of a group that names its owner.
        options: As in ``RowsOfOwner``.
    """

    owners_per_request = PAGE_SIZE

    def __init__(
        self,
        rows_path: str,
        owner_fields: dict[str, str],
        *,
        ids_parameter: str,
        group_field: str,
        **options: Any,  # noqa: ANN401 - those of RowsOfOwner
    ) -> None:
        super().__init__(rows_path, owner_fields, **options)
        self._ids_parameter = ids_parameter
        self._group_field = group_field

    def _completed(
        self,
        company: Company,
        rows: Callable[[Page], Batch],
        chunks: Iterable[Page],
        *,
        may_all_fail: bool,  # noqa: ARG002 - those that fail are found by halving
    ) -> Iterator[Batch]:
        yield from company.threads.map_promptly(rows, chunks, self._rows_share, gently=True)

    def _ask(self, company: Company, owners: list[Source], *, may_all_fail: bool) -> Batch:
        """Ask for the groups; an owner without one has no rows.

        The 404 of several may mean one of them as well as all: only that of a single one counts.
        """
        by_id = {owner["id"]: owner for owner in owners}

        def ask(ids: Sequence[int], max_tries: int | None) -> list[Source]:
            params = {self._ids_parameter: [*ids]}
            answer = company.get(self._rows_path, params, max_tries=max_tries)
            return records_in(answer, "results", self._rows_path)

        answers, failed = ask_in_halves(ask, [*by_id], may_all_fail=may_all_fail)
        rows: dict[int, list[Source]] = {number: [] for number in by_id}
        odd: list[Rejection] = []
        for group in chain.from_iterable(answers):
            try:
                rows[group[self._group_field]] += self._rows_in(group)
            except (ApiError, *UNFORESEEN) as error:
                number = group.get(self._group_field) if isinstance(group, dict) else None
                owner = number if type(number) is int else None
                odd.append(Rejection.of(group, fault_of(error), owner))
        batches = [self._failed(company, by_id[number], failed[number]) for number in failed]
        return Batch(
            [
                row
                for number, owner in by_id.items()
                if number not in failed
                for row in self._owned(owner, rows[number])
            ],
            vanished=[number for one in batches for number in one.vanished],
            rejected=[*odd, *(rejection for one in batches for rejection in one.rejected)],
        )

    def _failed(self, company: Company, owner: Source, error: ProcountorError) -> Batch:
        if isinstance(error, NotFoundError):
            return self._without_rows(company, owner, RecordError(str(error)))
        return Batch([], rejected=[Rejection.of({"id": owner["id"]}, RecordError(str(error)))])
