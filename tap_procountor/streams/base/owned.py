"""Rows that the API gives by a request for each document of another resource.

Each such stream reads the list of its owners itself: its bookmark, its failures and its verdict are
its own, whatever becomes of the owners' stream.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from inspect import getattr_static
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from tap_procountor.api.client import decode
from tap_procountor.errors import UNFORESEEN, ApiError, NotFoundError, RecordError
from tap_procountor.readers.batch import PAGE_SIZE, Batch
from tap_procountor.readers.isolation import ask_in_halves, attempting, fault_of, isolated
from tap_procountor.readers.keyset import KeysetList
from tap_procountor.readers.list_page import records_in
from tap_procountor.readers.numbered import numbered_rows
from tap_procountor.records.converter import Rejection, as_text
from tap_procountor.streams.base.full_table import FullTableStream
from tap_procountor.streams.base.incremental import IncrementalStream
from tap_procountor.streams.base.read import ReadStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from msgspec import Raw

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.errors import ProcountorError
    from tap_procountor.readers.batch import Row
    from tap_procountor.readers.keyset import Page
    from tap_procountor.readers.list_page import Source
    from tap_procountor.state.bookmarks import Window
    from tap_procountor.state.ids import Key


class _RowsOf(ReadStream):
    """Asks for the rows of owners; ``path`` is the list of the owners.

    The rows' schema must add the fields of ``owner_fields``, and ``position`` if it is wanted.
    """

    #: Where the rows of an owner are: ``/invoices/{id}/comments``.
    rows_path: ClassVar[str]
    #: The field of the answer that holds the rows; none if the answer is an array or one row.
    records_field: ClassVar[str | None] = None
    #: Whether the rows of an owner come in pages.
    is_paged: ClassVar[bool] = False
    #: What the owner's fields, as the API names them, are called in the rows.
    owner_fields: ClassVar[dict[str, str]]
    #: Whether rows are numbered, from 0, because they have no id.
    adds_position: ClassVar[bool] = False

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return the list of the owners, and where their rows are."""
        return (cls.path, cls.rows_path)

    @abstractmethod
    def lists(self, company: Company, number: int) -> bool:
        """Tell whether the list of the owners still has one, by its id."""

    def rows_of(self, company: Company, owner: Source) -> Batch:
        """Ask for the rows of an owner; one that is no longer listed has vanished."""
        try:
            return self.answered(company, owner)
        except NotFoundError:
            if not self.lists(company, owner["id"]):
                return Batch([], vanished=[owner["id"]])
            error = RecordError(f"Its rows did not come from {self.rows_path}.")
            return Batch([], rejected=[Rejection.of({"id": owner["id"]}, error)])

    def answered(self, company: Company, owner: Source) -> Batch:
        """Ask for the rows of an owner.

        Raises:
            NotFoundError: If the API knows neither rows nor owner.
        """
        path = self.rows_path.format(id=owner["id"])
        if not self.is_paged:
            return Batch(self.owned(owner, self._rows_in(company.get(path))))
        # Without page numbers no threads are used: this runs in one of them.
        pages = list(KeysetList(company, path, {}, has_numbers=False).pages())
        rows = [decode(text) for page in pages for text in page.texts()]
        rejected = [rejection for page in pages for rejection in page.rejected]
        return Batch(self.owned(owner, rows), rejected=rejected)

    def _rows_in(self, answer: Any) -> list[Source]:  # noqa: ANN401 - any JSON
        if self.records_field:
            is_null = isinstance(answer, dict) and answer.get(self.records_field, ...) is None
            return [] if is_null else records_in(answer, self.records_field, self.rows_path)
        return answer if isinstance(answer, list) else [answer]

    def owned(self, owner: Source, rows: list[Source]) -> list[Source]:
        """Give rows what they take from their owner."""
        name_in_source = getattr_static(self, "schema").name_in_source
        inherited = {
            name_in_source(name): owner.get(field) for name, field in self.owner_fields.items()
        }
        numbers = (
            {"position": number} if self.adds_position else {} for number in range(len(rows))
        )
        return [
            # What is no object is rejected when it is converted.
            row | inherited | number if isinstance(row, dict) else row
            for row, number in zip(rows, numbers, strict=True)
        ]


class _Owners(NamedTuple):
    """Neighbours in the list of the owners.

    Attributes:
        rows: What the list says of them, as text, because many wait for their turn.
        listed: What must be known of them.
        rejected: Owners without an id.
        total: How many owners the list has, if the API says so.
        left: How many of them follow.
        repeated: How many rows of the list's page came before in the same words.
    """

    rows: list[Raw]
    listed: Sequence[Row]
    rejected: Sequence[Rejection]
    total: int | None
    left: int
    repeated: int

    def batch(self, documents: Sequence[bytes] = (), rejected: Sequence[Rejection] = ()) -> Batch:
        """Return what has become of them."""
        return Batch(
            documents,
            self.listed,
            rejected=[*self.rejected, *rejected],
            total=self.total,
            left=self.left,
            repeated=self.repeated,
        )


class OwnedStream(_RowsOf, IncrementalStream):
    """The rows of owners that have a ``version``: only those of changed owners are asked for.

    ``path`` and ``variants`` are the owners' list. The rows carry their owner's ``version``, so
    that rows which an owner has no more can be recognised, as those of a ``RowStream``.
    """

    #: So many owners are asked for at once.
    owners_per_request: ClassVar[int] = 1
    #: The API has no list of the rows to compare with; their owners' stream tells what is gone.
    keeps_ids = False

    def is_empty(self, company: Company) -> bool:
        """Ask for one owner, and for its rows."""
        for variant in self.variants:
            answer = company.get(self.path, {**variant, "size": 1})
            for owner in records_in(answer, "results", self.path):
                self.rows_of_several(company, [owner])
                return False
        return True

    def _batches(self, company: Company, filters: Params, progress: Window) -> Iterator[Batch]:
        """Ask for the rows of the listed owners, several requests being under way."""
        share = PAGE_SIZE / (PAGE_SIZE + self.owners_per_request)
        # The other requests are for the pages of the list.
        owners = KeysetList(
            company, self.path, filters, has_numbers=self.has_numbers, share=1 - share
        )
        return self._completed(company, owners.pages(progress.after, progress.done), share)

    def _again(self, company: Company, filters: Params, ids: Sequence[int]) -> Iterator[Batch]:
        owners = KeysetList(company, self.path, filters, has_numbers=self.has_numbers)
        return self._completed(company, owners.rows(ids), 1, may_all_fail=True)

    def _completed(
        self, company: Company, pages: Iterable[Page], share: float, *, may_all_fail: bool = False
    ) -> Iterator[Batch]:
        chunks = chain.from_iterable(map(self._chunks, pages))
        rows = partial(self._batch, company, may_all_fail=may_all_fail)
        if self.owners_per_request > 1:
            # Those that fail are found there.
            return company.threads.map_promptly(rows, chunks, share, gently=True)
        attempts = company.threads.map_promptly(
            attempting(rows, self._rejected_owners), chunks, share
        )
        return isolated(attempts, may_all_fail=may_all_fail)

    def lists(self, company: Company, number: int) -> bool:
        """Ask each of the owners' lists for one."""
        return any(
            KeysetList(company, self.path, variant, has_numbers=self.has_numbers).contains(number)
            for variant in self.variants
        )

    def rejected_document(self, rejection: Rejection) -> int | None:
        """Return the owner of a row."""
        try:
            source = decode(rejection.text.encode())
        except UNFORESEEN:
            return rejection.number
        name_in_source = getattr_static(self, "schema").name_in_source
        names = (name_in_source(name) for name, field in self.owner_fields.items() if field == "id")
        owner = source.get(next(names)) if isinstance(source, dict) else None
        return owner if type(owner) is int else rejection.number

    def _chunks(self, page: Page) -> Iterator[_Owners]:
        rows, listed = iter(page.texts()), iter(page.listed)
        rejected, repeated = page.rejected, len(page.repeated)
        while (chunk := [*islice(rows, self.owners_per_request)]) or rejected:
            places = page.total, page.left
            yield _Owners(chunk, [*islice(listed, len(chunk))], rejected, *places, repeated)
            rejected, repeated = [], 0

    def _batch(self, company: Company, owners: _Owners, *, may_all_fail: bool) -> Batch:
        batch = Batch([])
        if owners.rows:
            several = [*map(self._reduced, owners.rows)]
            batch = self.rows_of_several(company, several, may_all_fail=may_all_fail)
        whole = owners.batch([*map(as_text, batch.documents)], batch.rejected)
        return whole._replace(vanished=batch.vanished)

    @staticmethod
    def _rejected_owners(owners: _Owners, error: RecordError) -> Batch:
        """Reject owners whose rows fail for good."""
        numbers = [row.id for row in owners.listed]
        return owners.batch(rejected=[Rejection.of({"id": number}, error) for number in numbers])

    def _reduced(self, text: Raw) -> Source:
        """Return what is needed of an owner: all of hundreds, in each thread, takes much memory."""
        owner = decode(text)
        return {name: owner.get(name) for name in ("id", *self.owner_fields.values())}

    def rows_of_several(
        self,
        company: Company,
        owners: list[Source],
        *,
        may_all_fail: bool = False,  # noqa: ARG002
    ) -> Batch:
        """Ask for the rows of as many owners as a request takes.

        Args:
            company: Whose they are.
            owners: The owners.
            may_all_fail: As in ``ask_in_halves``.
        """
        (owner,) = owners
        return self.rows_of(company, owner)


class BatchOwnedStream(OwnedStream):
    """The rows of owners that the API gives for 200 owners at once, grouped by owner."""

    owners_per_request = 200
    #: The parameter that takes the owners' ids, repeated.
    ids_parameter: ClassVar[str]
    #: The field of a group that names its owner.
    group_field: ClassVar[str]

    def rows_of_several(
        self, company: Company, owners: list[Source], *, may_all_fail: bool = False
    ) -> Batch:
        """Ask for the groups; an owner without one has no rows.

        The 404 of several may mean one of them as well as all: only that of a single one counts.
        """
        by_id = {owner["id"]: owner for owner in owners}

        def ask(ids: Sequence[int], max_tries: int | None) -> list[Source]:
            params = {self.ids_parameter: [*ids]}
            answer = company.get(self.rows_path, params, max_tries=max_tries)
            return records_in(answer, "results", self.rows_path)

        answers, failed = ask_in_halves(ask, [*by_id], may_all_fail=may_all_fail)
        rows: dict[int, list[Source]] = {number: [] for number in by_id}
        odd: list[Rejection] = []
        for group in chain.from_iterable(answers):
            try:
                rows[group[self.group_field]] += self._rows_in(group)
            except (ApiError, *UNFORESEEN) as error:
                number = group.get(self.group_field) if isinstance(group, dict) else None
                owner = number if type(number) is int else None
                odd.append(Rejection.of(group, fault_of(error), owner))
        batches = [self._failed(company, by_id[number], failed[number]) for number in failed]
        return Batch(
            [
                row
                for number, owner in by_id.items()
                if number not in failed
                for row in self.owned(owner, rows[number])
            ],
            vanished=[number for one in batches for number in one.vanished],
            rejected=[*odd, *(rejection for one in batches for rejection in one.rejected)],
        )

    def _failed(self, company: Company, owner: Source, error: ProcountorError) -> Batch:
        """Tell an owner that has been deleted from one whose rows fail for good."""
        if isinstance(error, NotFoundError) and not self.lists(company, owner["id"]):
            return Batch([], vanished=[owner["id"]])
        return Batch([], rejected=[Rejection.of({"id": owner["id"]}, RecordError(str(error)))])


class FullOwnedStream(_RowsOf, FullTableStream):
    """The rows of the owners in a list without ``version``: all are asked for in every run."""

    #: The filters of the owners' list.
    filters: ClassVar[Params] = {}

    def is_empty(self, company: Company) -> bool:
        """Ask for one owner, and for its rows."""
        answer = company.get(self.path, {**self.filters, "size": 1})
        owners = records_in(answer, "results", self.path)
        for owner in owners:
            self.rows_of(company, owner)
        return not owners

    def read(self, company: Company) -> Iterator[Batch]:
        """Read the list of the owners and, several at once, their rows."""
        rows = attempting(
            partial(self._batch, company),
            lambda owner, error: Batch([], rejected=[Rejection.of(owner, error)]),
        )
        yield from isolated(company.threads.map(rows, self.owners(company)))

    def read_again(self, company: Company, missing: set[Key]) -> Iterator[Batch]:
        """Ask for the rows of the owners of those that are missing."""
        owners = {key[0] for key in missing}
        for owner in self.owners(company):
            if owner.get("id") in owners:
                yield self._batch(company, owner)

    def owners(self, company: Company) -> Iterable[Source]:
        """Return what the list says of the owners."""
        return numbered_rows(company, self.path, self.filters)

    def lists(self, company: Company, number: int) -> bool:
        """Read the owners' list again."""
        return any(owner.get("id") == number for owner in self.owners(company))

    def _batch(self, company: Company, owner: Source) -> Batch:
        if owner.get("id") is None:
            error = RecordError("The API sent a record without an id.")
            return Batch([], rejected=[Rejection.of(owner, error)])
        return self.rows_of(company, owner)
