"""Streams that each run reads as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tap_procountor.census import Key, pack_keys, unpack_keys
from tap_procountor.errors import NotFoundError, ProcountorError
from tap_procountor.kinds.read import ReadStream
from tap_procountor.reading.answers import Source, records_in
from tap_procountor.reading.batches import Batch
from tap_procountor.reading.plain import numbered_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context

    from tap_procountor.client import Params
    from tap_procountor.companies import Company
    from tap_procountor.convert import Record
    from tap_procountor.kinds.base import ProcountorStream


class FullTableStream(ReadStream):
    """A stream that is read as a whole by each run."""

    @property
    def finds_deletions(self) -> bool:
        """Whether rows that the last run had, and this one has not, are declared deleted."""
        return self._tap.checks_deletions(of_all_streams=True)

    def get_records(self, context: Context | None) -> Iterator[Any]:
        """Yield a company's records, then tombstones for those that the last run had."""
        if not self.finds_deletions:
            yield from super().get_records(context)
            return
        company = self._tap.companies[(context or {})["company_id"]]
        tables = [self, *self._selected_row_streams]
        for table in tables:
            table.keys_seen = set()
        yield from super().get_records(context)
        outcome = self._tap.report.outcome(self.name, company.id)
        # A rejected record is not gone, but which one it is cannot be told.
        if all(self._tap.report.outcome(table.name, company.id).is_complete for table in tables):
            try:
                gone = {table: self._gone(table, company) for table in tables}
            except ProcountorError as error:
                outcome.fail(error)
                return
            for table in tables:
                yield from self._tombstones(table, company, gone[table])

    def _gone(self, table: ProcountorStream, company: Company) -> set[Key]:
        """Return the keys that a table has no more."""
        known = self._known_keys(table, company)
        gone = known - (table.keys_seen or set())
        self._tap.deletion_guard(company).check(len(gone), len(known))
        return gone

    def _known_keys(self, table: ProcountorStream, company: Company) -> set[Key]:
        """Return the keys that a table had after the last run, as far as this run compares them."""
        state = table.state_of(company)
        return unpack_keys(state["keys"]) if "keys" in state else set()

    def _tombstones(
        self, table: ProcountorStream, company: Company, gone: set[Key]
    ) -> Iterator[Record]:
        """Yield tombstones of this table, or write those of another; then keep the keys."""
        for key in sorted(gone):
            if table is self:
                yield table.tombstone(company, key)
            else:
                table.write(table.tombstone(company, key))
        self._tap.report.outcome(table.name, company.id).deleted += len(gone)
        state = table.state_of(company)
        state["keys"] = pack_keys(table.keys_seen or ())


class SingleCallStream(FullTableStream):
    """A resource in one answer: an object, an array, or an object that holds an array."""

    #: The field of the answer that holds the records; none if the answer itself does.
    records_field: ClassVar[str | None] = None
    #: One request for each of these.
    variants: ClassVar[tuple[Params, ...]] = ({},)

    def read(self, company: Company) -> Iterator[Batch]:
        """Make the requests, several at once."""

        def ask(params: Params) -> Batch:
            return Batch(self.sources(company.get(self.path, params), params))

        yield from company.threads.map(ask, self.variants)

    def sources(self, answer: Any, params: Params) -> list[Source]:  # noqa: ANN401, ARG002 - any JSON
        """Return the records inside the answer to one of the requests."""
        if self.records_field:
            return records_in(answer, self.records_field, self.path)
        return answer if isinstance(answer, list) else [answer]


class ValuesStream(SingleCallStream):
    """An array of bare values in one answer; each becomes a row, its value the end of the key."""

    def sources(self, answer: Any, params: Params) -> list[Source]:  # noqa: ANN401
        """Make an object of each value."""
        name = self.primary_keys[-1]
        return [{name: value} for value in super().sources(answer, params)]


class PagedStream(FullTableStream):
    """A list whose rows are complete and that the API gives by page number only."""

    filters: ClassVar[Params] = {}
    #: The field that tells the rows apart.
    key_field: ClassVar[str] = "id"

    def is_empty(self, company: Company) -> bool:
        """Ask for one row."""
        answer = company.get(self.path, {**self.filters, "size": 1})
        return not records_in(answer, "results", self.path)

    def read(self, company: Company) -> Iterator[Batch]:
        """Read the pages."""
        yield Batch(numbered_rows(company, self.path, self.filters, self.key_field))


class DetailedStream(PagedStream):
    """A list by page number, or in one piece, whose rows are completed by a request each."""

    #: Whether the list comes in pages.
    has_pages: ClassVar[bool] = True

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return list and detail."""
        return (cls.path, f"{cls.path}/{{id}}")

    def is_empty(self, company: Company) -> bool:
        """Ask for one row, or for the list if it has no pages."""
        return super().is_empty(company) if self.has_pages else not company.get(self.path)

    def read(self, company: Company) -> Iterator[Batch]:
        """Read the pages and, several at once, the details."""

        def complete(row: Source) -> Batch:
            number = row.get("id") if isinstance(row, dict) else None
            if type(number) is not int:
                return Batch([row])
            try:
                detail = company.get(f"{self.path}/{number}")
            except NotFoundError:
                return Batch([], vanished=[number])
            return Batch([row | detail])

        rows: list[Source] = (
            numbered_rows(company, self.path, self.filters)
            if self.has_pages
            else company.get(self.path, self.filters)
        )
        yield from company.threads.map(complete, rows)
