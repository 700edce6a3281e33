"""Streams with requests of their own."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, ClassVar

from tap_procountor.errors import (
    UNFORESEEN,
    ForbiddenError,
    IncompleteError,
    ProcountorError,
    RecordError,
    misunderstood,
)
from tap_procountor.output.progress import Progress
from tap_procountor.readers.batch import Batch
from tap_procountor.records.rejection import Rejection, as_record_error
from tap_procountor.streams.base.stream import ProcountorStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context

    from tap_procountor.api.company import Company
    from tap_procountor.output.report import Outcome
    from tap_procountor.permissions.access import Finding
    from tap_procountor.records.converter import Record, RecordConverter
    from tap_procountor.state.ids import Key
    from tap_procountor.streams.base.context import RunContext
    from tap_procountor.streams.base.rows import RowStream


class ReadStream(ProcountorStream):
    """A stream with requests of its own."""

    path: ClassVar[str]
    #: Whether the rows tell of files that are written.
    writes_files: ClassVar[bool] = False
    #: Whether reading may begin before it is the stream's turn.
    reads_ahead: ClassVar[bool] = True

    def __init__(self, tap: Tap, run: RunContext) -> None:
        super().__init__(tap, run)
        #: The streams whose rows stand inside the records of this one.
        self.row_streams: list[RowStream] = []

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        return (cls.path,)

    @cached_property
    def convert(self) -> RecordConverter:
        return self.converter(getattr_static(self, "schema").source, self.replication_key)

    @abstractmethod
    def read(self, company: Company) -> Iterator[Any]:
        """Read a company's documents; called before its turn, so lazily and without side effects.

        Yields:
            Batches, and between them what is to be done once those before are written.

        Raises:
            ProcountorError: When iterated, if something cannot be read.
        """

    def is_empty(self, company: Company) -> bool:
        """Ask for as little as shows whether there is anything to read, and that it may be."""
        first = next(self.read(company), None)
        return first is None or not len(first.documents)

    def get_records(self, context: Context | None) -> Iterator[Any]:
        """Yield a company's records; a failure ends this company's part of this stream alone."""
        company = self.run.companies[(context or {})["company_id"]]
        outcome = self.run.report.outcome(self.name, company.id)
        outcome.bookmark_before = self._bookmark_value(company)
        yield from self._records_until_fault(self.run.part(self.name, company), outcome)
        outcome.bookmark_after = self._bookmark_value(company)
        if outcome.failure is None:
            is_empty = not (outcome.documents or outcome.bookmark_before)
            rights = self.run.rights_of(company)
            self._find(company, self.access.judge(rights, is_empty=is_empty))
        else:
            error = IncompleteError(f"Its rows come with {self.name}, which failed.")
            for rows in self._selected_row_streams:
                of_rows = self.run.report.outcome(rows.name, company.id)
                if not of_rows.shortfall:
                    of_rows.fail(error)

    def _find(self, company: Company, finding: Finding) -> None:
        tolerated = self.config["on_missing_permission"] == "warn"
        for stream in (self, *self._selected_row_streams):
            self.run.report.outcome(stream.name, company.id).find(finding, tolerated=tolerated)

    @cached_property
    def _selected_row_streams(self) -> list[RowStream]:
        return [rows for rows in self.row_streams if rows.selected]

    def _bookmark_value(self, company: Company) -> str | None:
        value: str | None = self.state_of(company).get("replication_key_value")
        return value

    def _records_until_fault(self, company: Company, outcome: Outcome) -> Iterator[Record]:
        progress = Progress(outcome.name, self.run.client.usage)
        steps = self.gathered(self.run.read_ahead.take(self, company))
        for rows in self._selected_row_streams:
            steps = rows.prepare(company, steps)
        try:
            for step in steps:
                if not isinstance(step, Batch):
                    for tombstone in self.proceed(company, step):
                        outcome.deleted += self.selected
                        yield tombstone
                    continue
                outcome.documents += len(step.documents)
                self.before_writing(company, step)
                self.run.message_writer.begin_batch()
                for record in self._records(company, step):
                    outcome.rows += self.selected
                    yield record
                for rejection in step.rejected:
                    self.reject(self, company, rejection)
                outcome.vanished.extend(step.vanished)
                self.written(company, step)
                progress.show(outcome.rows, step.total, step.left)
        except ForbiddenError as error:
            refusal = self.access.refused(self.run.rights_of(company), str(error))
            self._find(company, refusal)
            outcome.failure = refusal.advice
        except ProcountorError as error:
            outcome.fail(error)
        except UNFORESEEN as error:
            outcome.fail(misunderstood(error))
        finally:
            self.run.message_writer.flush()

    def forget_bookmark(self, company: Company) -> None:
        """Let the next read begin at the beginning, if it does not always."""

    def gathered(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Put small batches together, if each of them would cost a state."""
        return batches

    def before_writing(self, company: Company, batch: Batch) -> None:
        """Prepare for the records of a batch."""

    def reject(self, table: ProcountorStream, company: Company, rejection: Rejection) -> None:
        """Keep a document, or a row inside one, out of its table, but do not lose it."""
        table.keep_out(company, rejection)

    def proceed(self, company: Company, step: Any) -> Iterator[Record]:  # noqa: ANN401, ARG002
        """Do what the stream has noted between its batches, and yield tombstones.

        Raises:
            DeletionError: If deletions are not certain enough.
        """
        return iter(())

    def written(self, company: Company, batch: Batch) -> None:
        """Note that all records of a batch, and their rows, have been written."""

    def _records(self, company: Company, batch: Batch) -> Iterator[Record]:
        """Yield the records of a batch, and write the rows inside each right after it."""
        texts: dict[Key, bytes] = {}
        for text, converted in self.convert.all(batch.documents):
            try:
                if isinstance(converted, RecordError):
                    raise converted
                record = converted
                record["company_id"] = company.id
                if texts.setdefault(self.checked_key(record), text) != text:
                    # Which of the two is right cannot be told.
                    msg = "The API sent another record with the same key before it."
                    raise RecordError(msg)  # noqa: TRY301 - as that of the call
                # Taken before the record is written: writing may remove deselected fields.
                rows = [
                    (stream, stream.sorted_rows(self, record, batch))
                    for stream in self._selected_row_streams
                ]
            except (RecordError, *UNFORESEEN) as error:
                self.reject(self, company, Rejection.of(text, as_record_error(error)))
                continue
            yield record
            for stream, (sound, faulty) in rows:
                for row in sound:
                    stream.write(row)
                self.run.report.outcome(stream.name, company.id).rows += len(sound)
                for row, fault in faulty:
                    self.reject(stream, company, Rejection.of(row, fault, record.get("id")))
