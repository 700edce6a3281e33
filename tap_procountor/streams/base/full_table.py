"""Streams that each run reads as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tap_procountor.errors import ProcountorError, RecordError
from tap_procountor.readers.batch import Batch, gathered
from tap_procountor.readers.list_page import Source, records_in
from tap_procountor.state.ids import Key, pack_keys, unpack_keys
from tap_procountor.streams.base.listed import ListStream
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.base.stream import ProcountorStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context

    from tap_procountor.api.client import Params
    from tap_procountor.api.company import Company
    from tap_procountor.records.converter import Record
    from tap_procountor.streams.base.context import RunContext

#: Keys by the table that they belong to.
Keys = dict[ProcountorStream, set[Key]]


class FullTableStream(ReadStream):
    """A stream that is read as a whole by each run."""

    def __init__(self, tap: Tap, run: RunContext) -> None:
        super().__init__(tap, run)
        #: Of the company whose records are written: the keys of its rows so far, and those that
        #: were in the target before, in this table and those of its rows.
        self._seen: Keys = {}
        self._known: Keys = {}

    @property
    def keeps_keys(self) -> bool:
        return self.run.keeps_ids(of_all_streams=True)

    def get_records(self, context: Context | None) -> Iterator[Any]:
        """Yield a company's records, then tombstones for those that the last run had."""
        company = self.run.companies[(context or {})["company_id"]]
        self._seen = {table: set() for table in self._tables}
        self._known = {}
        yield from super().get_records(context)
        is_complete = all(
            # A rejected record is not gone, but which one it is cannot be told.
            self.run.report.outcome(table.name, company.id).is_complete
            for table in self._tables
        )
        if self.keeps_keys and not self.run.is_backfill and is_complete:
            yield from self._missing(company)

    def gathered(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Put small batches together: each with new keys costs a state."""
        return gathered(batches) if self.keeps_keys else batches

    def before_writing(self, company: Company, batch: Batch) -> None:
        """Keep new keys in the state first: whatever stops the run, the next one knows of them."""
        if not self.keeps_keys:
            return
        is_new = False
        for table, keys in self._keys_in(company, batch).items():
            if new := keys - self._known_before(company)[table] - self._seen[table]:
                is_new = True
                table.state_of(company).setdefault("written_keys", []).append(pack_keys(new))
            self._seen[table] |= keys
        if is_new:
            self.run.state_writer.write_state(self.tap_state, at_once=True)

    @property
    def _tables(self) -> list[ProcountorStream]:
        return [self, *self._selected_row_streams]

    def _keys_in(self, company: Company, batch: Batch) -> Keys:
        keys: Keys = {table: set() for table in self._tables}
        for _, record in self.convert.all(batch.documents):
            if isinstance(record, RecordError):
                continue
            record["company_id"] = company.id
            keys[self].add(self.key_of(record))
            for rows in self._selected_row_streams:
                keys[rows].update(rows.key_of(row) for row in rows.rows(self, record))
        # Records without a part of their key are not written.
        return {table: {key for key in some if None not in key} for table, some in keys.items()}

    def _known_before(self, company: Company) -> Keys:
        """Return the keys that were in the target; not to be asked for before the first batch."""
        if not self._known:
            self._known = {table: self._known_keys(table, company) for table in self._tables}
        return self._known

    def _known_keys(self, table: ProcountorStream, company: Company) -> set[Key]:
        """Return the keys that are in the target, as far as this run compares them."""
        state = table.state_of(company)
        packed = [state["keys"]] if "keys" in state else []
        return set().union(*map(unpack_keys, [*packed, *state.get("written_keys", ())]))

    def _missing(self, company: Company) -> Iterator[Record]:
        """Yield or write tombstones for the rows that are gone, then keep the keys."""
        known = self._known_before(company)
        missing = {table: known[table] - self._seen[table] for table in self._tables}
        try:
            gone = self._confirmed_gone(company, missing) if any(missing.values()) else missing
            guard = self.run.deletion_guard(company)
            for table in self._tables:
                guard.allow(len(gone[table]), len(known[table]))
        except ProcountorError as error:
            self.run.report.outcome(self.name, company.id).fail(error)
            return
        for table in self._tables:
            for key in sorted(gone[table]):
                if table is self:
                    yield table.tombstone(company, key)
                else:
                    table.write(table.tombstone(company, key))
            self.run.report.outcome(table.name, company.id).deleted += len(gone[table])
            state = table.state_of(company)
            # Those that this run does not compare stay as they were.
            others = FullTableStream._known_keys(self, table, company) - known[table]
            state["keys"] = pack_keys(self._seen[table] | others | (missing[table] - gone[table]))
            state.pop("written_keys", None)

    def _confirmed_gone(self, company: Company, missing: Keys) -> Keys:
        """Return the keys that are still missing when they are asked for again.

        Raises:
            ProcountorError: If that cannot be told.
        """
        still_there = {table: set[Key]() for table in missing}
        # Keys of rows inside records begin with those of the records.
        owners = {key[:1] for table, keys in missing.items() if table is not self for key in keys}
        for batch in self.read_again(company, missing[self] | owners):
            for table, keys in self._keys_in(company, batch).items():
                still_there[table] |= keys
        return {table: keys - still_there[table] for table, keys in missing.items()}

    def read_again(self, company: Company, missing: set[Key]) -> Iterator[Batch]:  # noqa: ARG002
        """Read what shows whether keys are gone: all of it, where that is not known better."""
        return self.read(company)


class SingleCallStream(FullTableStream):
    """A resource in one answer: an object, an array, or an object that holds an array."""

    #: The field of the answer that holds the records; none if the answer itself does.
    records_field: ClassVar[str | None] = None
    #: One request for each of these.
    variants: ClassVar[tuple[Params, ...]] = ({},)

    def read(self, company: Company) -> Iterator[Batch]:
        def ask(params: Params) -> Batch:
            return Batch(self.sources(company.get(self.path, params), params))

        yield from company.threads.map(ask, self.variants)

    def sources(self, answer: Any, params: Params) -> list[Source]:  # noqa: ANN401, ARG002 - any JSON
        if self.records_field:
            return records_in(answer, self.records_field, self.path)
        return answer if isinstance(answer, list) else [answer]


class ValuesStream(SingleCallStream):
    """An array of bare values in one answer; each becomes a row, its value the end of the key."""

    def sources(self, answer: Any, params: Params) -> list[Source]:  # noqa: ANN401
        name = self.primary_keys[-1]
        return [{name: value} for value in super().sources(answer, params)]


class FullListStream(ListStream, FullTableStream):
    """A list that is read as a whole by each run."""

    def read(self, company: Company) -> Iterator[Batch]:
        for one in self.lists(company):
            yield from self._completer.complete(one, one.pages())

    def read_again(self, company: Company, missing: set[Key]) -> Iterator[Batch]:
        """Read what shows whether keys are gone; they begin with the id that they are asked by."""
        return self._completer.read_again(company, sorted({key[0] for key in missing}))
