"""What a stream can be; the modules beside this one declare those there are.

A stream names its path, its key and the component of the specification that its records follow,
and picks the way it is read by its base class: ``SingleCallStream``, ``PagedStream``,
``DetailedStream``, ``IncrementalStream`` or ``DocumentStream``; rows that stand inside the records
of another stream are a ``RowStream``. Lists without an order by ``version`` are in ``lists``, rows
that take requests of their own in ``owned``.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from array import array
from collections import defaultdict, deque
from datetime import timedelta
from functools import cached_property, partial
from inspect import getattr_static
from traceback import format_tb
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream
from singer_sdk.exceptions import MappingError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from tap_procountor.census import (
    Census,
    Key,
    Seen,
    ascending,
    difference,
    pack_keys,
    unpack_keys,
)
from tap_procountor.convert import Record, RecordConverter, Rejection, as_dict, as_fields
from tap_procountor.errors import (
    ApiError,
    ConfigurationError,
    ForbiddenError,
    IncompleteError,
    NotFoundError,
    ProcountorError,
    RecordError,
)
from tap_procountor.progress import Progress
from tap_procountor.reading import (
    Batch,
    DocumentList,
    Documents,
    KeysetList,
    Row,
    Source,
    in_turn,
    numbered_rows,
    records_in,
)
from tap_procountor.schema import ADDITIONAL_FIELDS, DELETED_AT, RecordSchema
from tap_procountor.times import format_utc
from tap_procountor.verdicts import Access
from tap_procountor.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Context
    from singer_sdk.singerlib import Catalog

    from tap_procountor.client import Params
    from tap_procountor.companies import Company
    from tap_procountor.report import Outcome
    from tap_procountor.structs import Fields
    from tap_procountor.tap import TapProcountor
    from tap_procountor.verdicts import Finding
    from tap_procountor.windows import Bookmark

#: Documents after which the progress is sent to the target as a STATE message.
_DOCUMENTS_PER_STATE = 1000

#: A state that is not due waits so long for what it can take along.
_LONGEST_WAIT_SECONDS = 1.0

#: What an answer of a shape that nobody thought of leads to: it must not stop the other streams.
_UNFORESEEN = (
    *(ArithmeticError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError),
)


class ProcountorStream(Stream):
    """A table of Procountor's data, for each company of the run."""

    primary_keys: ClassVar[tuple[str, ...]] = ("company_id", "id")
    schema: ClassVar[RecordSchema]

    #: The records are converted here, once; numbers are exact and times UTC when the SDK gets them.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    _tap: TapProcountor

    def __init__(self, tap: TapProcountor) -> None:
        super().__init__(tap)
        #: The streams whose rows stand inside the records of this one.
        self.row_streams: list[RowStream] = []
        #: Keys of the company's records so far, while deletions are looked for.
        self.keys_seen: set[Key] | None = None

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return all paths that the rows are read from; names of parameters do not matter."""
        return ()

    @property
    def bookmark_name(self) -> str:
        """What the bookmarks of its owners call it: with another name they begin anew."""
        return self.name

    @property
    def partitions(self) -> list[dict[str, Any]]:
        """The companies: bookmarks, failures and reports are per company."""
        return [{"company_id": company_id} for company_id in self._tap.companies]

    @property
    def emit_activate_version_messages(self) -> bool:
        """Whether the SDK sends ACTIVATE_VERSION: never.

        It would do so before the first record, and a run that then fails would have the target
        delete the rows that it did not reach. See ``start_version`` and ``activate_version``.
        """
        return False

    def apply_catalog(self, catalog: Catalog) -> None:
        """Take over the selection of a catalog.

        Raises:
            ConfigurationError: If it changes the key or the replication method: the records would
                not fit what the target and the state hold.
        """
        declared = (self.replication_method, tuple(self.primary_keys))
        super().apply_catalog(catalog)
        if (self.replication_method, tuple(self.primary_keys)) != declared:
            msg = (
                f"The catalog changes the key or the replication method of '{self.name}', which is "
                f"{declared[0]} by {', '.join(declared[1])}: take that out. To read everything "
                "again, give no state."
            )
            raise ConfigurationError(msg)

    def start_version(self) -> None:
        """Number the records of a full-table stream, if the versions are to be activated."""
        if (
            self.config.get("emit_activate_version_messages")
            and self.replication_method == REPLICATION_FULL_TABLE
        ):
            self._stream_version = self._tap.initialized_at

    def announce(self) -> None:
        """Write the schema, before the first record that is written outside of the SDK's loop."""
        self.start_version()
        self._write_schema_message()

    def activate_version(self) -> None:
        """Tell the target that the table is complete; call it after the last record."""
        if self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)

    def state_of(self, company: Company) -> dict[str, Any]:
        """Return the writable part of the state that is this stream's and the company's."""
        return self.get_context_state({"company_id": company.id})

    def write(self, record: Record) -> None:
        """Write a record outside of the SDK's own loop."""
        self._write_record_message(record)

    def tombstone(self, company: Company, key: Key) -> Record:
        """Return the record that marks a row as deleted: its key, and when that was found."""
        names = self.primary_keys[1:]
        return {
            "company_id": company.id,
            **dict(zip(names, key, strict=True)),
            DELETED_AT: format_utc(company.opened),
        }

    def check_key(self, record: Record) -> None:
        """Refuse a record that no table can hold.

        Raises:
            RecordError: If a part of the key is missing.
        """
        for name in self.primary_keys:
            if record.get(name) is None:
                msg = f"The API sent a record without '{name}', which is part of its key."
                raise RecordError(msg)
        if self.keys_seen is not None:
            self.keys_seen.add(tuple(record[name] for name in self.primary_keys[1:]))

    @cached_property
    def _is_plain(self) -> bool:
        """Whether records go out as they are: nothing is deselected, mapped or flattened."""
        untouched = {"stream_maps", "flattening_enabled"}.isdisjoint(
            name for name, value in self.config.items() if value
        )
        return untouched and all(self.mask.values())

    def _write_record_message(self, record: Record) -> None:
        """Write a record, on the short way if the SDK's steps would change nothing.

        Looking for deselected fields and mapping take longer than all that the tap does itself.
        """
        if not self._is_plain:
            self._write_mapped(record)
            return
        self._tap.message_writer.write_record(self.name, record, self._stream_version)
        self.state_manager.is_flushed = False

    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Do nothing: it would log a line per company about what the SDK has no part in."""

    def _write_mapped(self, record: Record) -> None:
        """Write a record by the SDK's steps.

        Raises:
            ConfigurationError: If a stream map cannot deal with it. It must not be kept among the
                rejected records: the map may be there to take personal data away.
        """
        try:
            super()._write_record_message(as_dict(record))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MappingError):
            msg = (
                f"A stream map of '{self.name}' fails on a record: its expressions must deal with "
                "fields that are null or missing, as all but the key are in rows marked as "
                "deleted. Write record.get('name') instead of name."
            )
            raise ConfigurationError(msg) from None

    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return nothing: windows are bounded by the server's clock, the SDK's would be ours."""

    def _process_record(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Do nothing: the SDK would add the company and sync child streams, which we have not."""

    def _increment_stream_state(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Do nothing: bookmarks are the ends of windows, not the versions of records."""


class ReadStream(ProcountorStream):
    """A stream with requests of its own."""

    path: ClassVar[str]
    #: The rights that the rows depend on.
    access: ClassVar[Access] = Access()
    #: Whether the rows tell of files that are written.
    writes_files: ClassVar[bool] = False

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return the path, and those of details if there are any."""
        return (cls.path,)

    @cached_property
    def convert(self) -> RecordConverter:
        """Turns an object of the API into a record."""
        return RecordConverter(
            getattr_static(self, "schema").source,
            self._tap.api_clock.to_utc,
            lambda path: self._tap.report.found_unknown_field(self.name, path),
        )

    @abstractmethod
    def read(self, company: Company) -> Iterator[Batch]:
        """Read a company's documents; called before its turn, so lazily and without side effects.

        Raises:
            ProcountorError: When iterated, if something cannot be read.
        """

    def is_empty(self, company: Company) -> bool:
        """Ask for as little as shows whether there is anything to read, and that it may be."""
        first = next(self.read(company), None)
        return first is None or not len(first.documents)

    def get_records(self, context: Context | None) -> Iterator[Any]:
        """Yield a company's records; a failure ends this company's part of this stream alone."""
        company = self._tap.companies[(context or {})["company_id"]]
        outcome = self._tap.report.outcome(self.name, company.id)
        outcome.bookmark_before = self._bookmark_value(company)
        yield from self._records_until_fault(company.counting(outcome.usage), outcome)
        outcome.bookmark_after = self._bookmark_value(company)
        if outcome.failure is None:
            is_empty = not (outcome.documents or outcome.bookmark_before)
            rights = self._tap.rights_of(company)
            self._find(company, self.access.judge(rights, is_empty=is_empty))
        else:
            self._fail_rows(company)

    def _fail_rows(self, company: Company) -> None:
        for rows in self._selected_row_streams:
            outcome = self._tap.report.outcome(rows.name, company.id)
            if not outcome.shortfall:
                outcome.fail(IncompleteError(f"Its rows come with {self.name}, which failed."))

    def _find(self, company: Company, finding: Finding) -> None:
        """Note a finding for all tables that come from here."""
        tolerated = self.config["on_missing_permission"] == "warn"
        for stream in (self, *self._selected_row_streams):
            self._tap.report.outcome(stream.name, company.id).find(finding, tolerated=tolerated)

    @cached_property
    def _selected_row_streams(self) -> list[RowStream]:
        return [rows for rows in self.row_streams if rows.selected]

    def _bookmark_value(self, company: Company) -> str | None:
        value: str | None = self.state_of(company).get("replication_key_value")
        return value

    def _records_until_fault(self, company: Company, outcome: Outcome) -> Iterator[Record]:
        progress = Progress(self.name, company.id, self._tap.client)
        batches = self._tap.read_ahead.take(self, company)
        for rows in self._selected_row_streams:
            batches = rows.prepare(company, batches)
        try:
            for batch in batches:
                outcome.documents += len(batch.documents)
                self.before_writing(company, batch)
                self._tap.message_writer.begin_batch()
                for record in self._records(company, batch):
                    outcome.rows += self.selected
                    yield record
                for number in batch.deleted:
                    outcome.deleted += self.selected
                    yield self.tombstone(company, (number,))
                for rejection in batch.rejected:
                    self._tap.reject(self, company, rejection)
                outcome.vanished.extend(batch.vanished)
                self.written(company, batch)
                progress.show(outcome.rows, batch)
        except ForbiddenError as error:
            refusal = self.access.refused(self._tap.rights_of(company), str(error))
            self._find(company, refusal)
            outcome.failure = refusal.advice
        except ProcountorError as error:
            outcome.fail(error)
        except _UNFORESEEN as error:
            # Without the error's own text, which may quote the data.
            self.logger.debug("Unexpected answer:\n%s", "".join(format_tb(error.__traceback__)))
            msg = f"The API's answer is not as documented ({type(error).__name__})."
            outcome.fail(ApiError(msg))
        finally:
            progress.end()
            self._tap.message_writer.flush()

    def before_writing(self, company: Company, batch: Batch) -> None:
        """Prepare for the records of a batch."""

    def written(self, company: Company, batch: Batch) -> None:
        """Note that all records of a batch, and their rows, have been written."""

    def _records(self, company: Company, batch: Batch) -> Iterator[Record]:
        """Yield the records of a batch, and write the rows inside each right after it."""
        for text, converted in self.convert.all(batch.documents):
            try:
                record = self._complete(company, converted)
            except RecordError as error:
                self._tap.reject(self, company, Rejection.of(text, error))
                continue
            # Taken before the record is written: writing may remove deselected fields.
            rows = [
                (stream, list(stream.rows(self, record))) for stream in self._selected_row_streams
            ]
            yield record
            for stream, its_rows in rows:
                self._write_rows(stream, company, its_rows)

    def _complete(self, company: Company, converted: Fields | RecordError) -> Fields:
        """Add the company to a record, unless it has been rejected or must be."""
        if isinstance(converted, RecordError):
            raise converted
        converted["company_id"] = company.id
        self.check_key(converted)
        return converted

    def _write_rows(self, stream: RowStream, company: Company, rows: list[dict[str, Any]]) -> None:
        outcome = self._tap.report.outcome(stream.name, company.id)
        for row in rows:
            try:
                stream.check_key(row)
            except RecordError as error:
                self._tap.reject(stream, company, Rejection.of(row, error))
                continue
            stream.write(row)
            outcome.rows += 1


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


class IncrementalStream(ReadStream):
    """A keyset list, read by ``version`` in windows whose upper bound is closed."""

    replication_key = "version"
    #: The API hides rows by default: the list is read once with each of these filters.
    variants: ClassVar[tuple[Params, ...]] = ({},)
    #: Whether the list also knows page numbers.
    has_numbers: ClassVar[bool] = True

    #: The SDK must not write a state between two of ours: ids and progress belong together.
    STATE_MSG_FREQUENCY = sys.maxsize

    _unsaved_documents = 0

    def __init__(self, tap: TapProcountor) -> None:
        super().__init__(tap)
        #: Ids that have been read ahead, in threads, and are not in the state yet.
        self._unannounced: deque[tuple[Company, Seen]] = deque()
        #: Ids of each company that are in the state while their records are not written yet.
        self._announced: defaultdict[int, set[int]] = defaultdict(set)

    def read(self, company: Company) -> Iterator[Batch]:
        """Read the windows that are due, then look for what has been deleted."""
        # The state is looked at now: the iterator may run in another thread.
        windows = list(self._bookmark(company).windows())
        state = self.state_of(company)
        emitted = Seen(state.get("emitted", ()))
        return self._read(company, windows, Census.from_state(state), emitted)

    def is_empty(self, company: Company) -> bool:
        """Ask for one row of each list."""
        return not any(
            records_in(company.get(self.path, {**variant, "size": 1}), "results", self.path)
            for variant in self.variants
        )

    @property
    def lookback(self) -> timedelta:
        """How far a window reaches back before the end of the last one."""
        return timedelta(seconds=self.config["lookback"])

    def bounds(self, window: Window) -> Params:
        """Return the API's filters for a window."""
        return window.filters(self._tap.api_clock)

    def forget_bookmark(self, company: Company) -> None:
        """Let the next read begin at the beginning."""
        if self.state_of(company).get("streams"):
            self.state_of(company)["streams"] = []

    def before_writing(self, company: Company, batch: Batch) -> None:
        """Keep the ids of a batch in the state first, and send it.

        Whatever stops the run then, the next one knows what may be in the target. Batches that have
        been read ahead are taken along: with many companies, a state for each would be much.
        """
        if not self.keeps_ids or batch.window is None or not batch.listed:
            return
        ids = {row.id for row in batch.listed}
        announced = self._announced[company.id]
        if not ids <= announced:
            if not self._tap.state_writer.is_due:
                self._tap.read_ahead.settle(_LONGEST_WAIT_SECONDS)
            self._keep_announced()
            self._announce(company, [row for row in batch.listed if row.id not in announced])
            self._keep_announced()
            self._tap.state_writer.write_state(self.tap_state, at_once=True)
        announced -= ids

    def _keep_announced(self) -> None:
        """Put the ids that have been read ahead into the state."""
        while self._unannounced:
            company, ids = self._unannounced.popleft()
            self.state_of(company).setdefault("emitted", []).append(ids.pack())
            self._announced[company.id].update(*ids.values())

    def written(self, company: Company, batch: Batch) -> None:
        """Keep the progress in the state: now and then, and at the end of a window."""
        state = self.state_of(company)
        if batch.census is not None:
            state["census"] = batch.census.to_state()
            state.pop("emitted", None)
            self._tap.state_writer.write_state(self.tap_state)
        if batch.window is None:
            return
        self._unsaved_documents += max(len(batch.documents), len(batch.listed))
        is_due = batch.window.is_done or self._unsaved_documents >= _DOCUMENTS_PER_STATE
        if is_due and not self._tap.deletion_guard(company).hides_rows:
            self._unsaved_documents = 0
            self._bookmark(company).save(batch.window)
            self._tap.state_writer.write_state(self.tap_state)

    def _bookmark(self, company: Company) -> Bookmark:
        return self._tap.bookmark(self, company)

    def _read(
        self, company: Company, windows: list[Window], before: Census, emitted: Seen
    ) -> Iterator[Batch]:
        read = Seen()
        for window in windows:
            for batch in self._read_window(company, window):
                if self.keeps_ids:
                    self._note(company, batch.listed, read)
                yield batch
        self._tap.deletion_guard(company).check_rights()
        if windows[0].is_whole:
            yield from self.take_census(company, before, emitted, read)
        else:
            # What has been written may have been deleted since it was read.
            emitted.add(read)
            yield from self.take_census(company, before, emitted, None)

    def _note(self, company: Company, rows: Sequence[Row], ids: Seen) -> None:
        """Note the ids of rows of the list."""
        for row in rows:
            ids[self.region_of(company, row)].append(row.id)

    def _announce(self, company: Company, rows: Sequence[Row]) -> None:
        """Have the ids of rows that will be written put into the next state."""
        if self.keeps_ids and rows:
            ids = Seen()
            self._note(company, rows, ids)
            self._unannounced.append((company, ids))

    @property
    def keeps_ids(self) -> bool:
        """Whether the state keeps the stream's ids, to find deletions by."""
        return self._tap.checks_deletions(of_all_streams=True)

    def region_of(self, company: Company, row: Row) -> str:  # noqa: ARG002
        """Return the part of the census that a row of the list belongs to."""
        return ""

    def take_census(
        self, company: Company, before: Census, emitted: Seen, everything: Seen | None
    ) -> Iterator[Batch]:
        """Compare the ids of the whole list with those that the target has.

        Args:
            company: The company.
            before: The census of the last run that came so far.
            emitted: The ids written since then, also by runs that were stopped; this run's only if
                ``everything`` is None.
            everything: The ids that this run has read, if that was all there is.
        """
        if not self.keeps_ids:
            return
        ids = ascending(self._list_ids(company) if everything is None else everything[""])
        known = ascending(before.ids(""), emitted[""])
        missing = difference(known, ids)
        count = len(known) if everything is None else len(ids) + len(missing)
        gone = self.confirmed_gone(company, missing, count)
        census = Census(taken=format_utc(company.opened))
        census.replace("", ascending(ids, missing - gone))
        yield Batch([], deleted=sorted(gone), census=census)

    def _list_ids(self, company: Company) -> Iterable[int]:
        bounds = self.bounds(Window(None, format_utc(company.opened)))
        lists = (
            KeysetList(company, self.path, {**variant, **bounds}, has_numbers=self.has_numbers)
            for variant in self.variants
        )
        return array("q", (number for one in lists for page in one.pages() for number in page.ids))

    def confirmed_gone(self, company: Company, missing: set[int], known: int) -> set[int]:
        """Return those of the missing ids that were deleted: asked for, they do not exist.

        Raises:
            DeletionError: If they may not be declared deleted.
        """
        gone = missing - DocumentList(company, self.path, {}).existing(missing)
        self._tap.deletion_guard(company).check(len(gone), known)
        return gone

    def _read_window(self, company: Company, window: Window) -> Iterator[Batch]:
        bounds = self.bounds(window)
        lists = (
            self._read_list(company, {**variant, **bounds}, window.at_variant(number))
            for number, variant in enumerate(self.variants[window.variant :], window.variant)
        )
        yield from in_turn([self._tap.read_ahead.part(one) for one in lists])
        yield Batch([], window=window.done_with())

    def _read_list(self, company: Company, filters: Params, progress: Window) -> Iterator[Batch]:
        for batch in self._batches(company, filters, progress):
            progress = progress.moved(batch)
            yield batch._replace(window=progress)

    def _batches(self, company: Company, filters: Params, progress: Window) -> Iterator[Batch]:
        """Read a list whose rows are complete."""
        pages = KeysetList(company, self.path, filters, has_numbers=self.has_numbers)
        for page in pages.pages(progress.after, progress.done):
            if len(page):
                self._announce(company, page.listed)
                documents = Documents([(text,) for text in page.texts()])
                yield Batch(documents, page.listed, rejected=page.rejected, total=page.total)


class DocumentStream(IncrementalStream):
    """An incremental stream whose rows are completed by batches of details."""

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return list and batch."""
        return (cls.path, f"{cls.path}/{{ids}}")

    def _batches(self, company: Company, filters: Params, progress: Window) -> Iterator[Batch]:
        documents = DocumentList(company, self.path, filters)
        announce = partial(self._announce, company)
        return documents.batches(progress.after, progress.done, announce)


class RowStream(ProcountorStream):
    """Rows that stand inside the records of other streams, at no extra request.

    They carry their owner's id and ``version``, so that rows which have disappeared from a document
    can be recognised: their version is older than the document's.
    """

    #: The streams whose records hold the rows.
    owners: ClassVar[tuple[type[ReadStream], ...]]
    #: The array in the owner's records.
    field: ClassVar[str]
    #: What the owner's fields are called in the rows.
    owner_fields: ClassVar[dict[str, str]]

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return the paths of the owners."""
        return tuple(path for owner in cls.owners for path in owner.paths())

    def get_records(self, context: Context | None) -> Iterable[Any]:  # noqa: ARG002
        """Yield nothing: the rows are written with their owners."""
        return ()

    def prepare(self, company: Company, batches: Iterator[Batch]) -> Iterator[Batch]:  # noqa: ARG002
        """Learn what the rows need besides their owners; yield the batches one after the other."""
        return batches

    def rows(self, owner: ReadStream, record: Record) -> Iterator[dict[str, Any]]:  # noqa: ARG002
        """Yield the rows of an owner's record."""
        inherited = self.inherited(record)
        for item in record.get(self.field) or ():
            yield self.row(inherited, item)

    def inherited(self, record: Record) -> dict[str, Any]:
        """Return what every row takes from its owner."""
        return {"company_id": record["company_id"]} | {
            name: record.get(field) for name, field in self.owner_fields.items()
        }

    def row(self, inherited: dict[str, Any], item: Record) -> dict[str, Any]:
        """Make a row; fields that the specification does not know move out of the root."""
        fields = as_fields(item)
        row = fields | inherited
        if not row.keys() <= self._known_fields or not fields.keys().isdisjoint(inherited):
            clashing = {name: fields[name] for name in fields.keys() & inherited.keys()}
            unknown = {name: row.pop(name) for name in row.keys() - self._known_fields}
            row[ADDITIONAL_FIELDS] = unknown | clashing
        return row

    @cached_property
    def _known_fields(self) -> frozenset[str]:
        return frozenset(self.schema["properties"])
