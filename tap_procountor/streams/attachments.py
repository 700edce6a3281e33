"""Files attached to documents, as rows; ``files`` downloads them."""

from __future__ import annotations

from collections import defaultdict, deque
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_procountor.api.responses import decode
from tap_procountor.errors import RecordError
from tap_procountor.permissions.access import Finding, Verdict
from tap_procountor.readers.attachment_search import SEARCH_PATH, attachment_ids
from tap_procountor.readers.batch import Batch, Row
from tap_procountor.records.rejection import Rejection
from tap_procountor.records.schema import (
    ADDITIONAL_FIELDS,
    DATE_TIME,
    INTEGER,
    SPECIFICATION,
    STRING,
    RecordSchema,
)
from tap_procountor.streams.accounting import LedgerReceipts
from tap_procountor.streams.banking import (
    BankStatementEvents,
    BankStatements,
    ReferencePayments,
    with_parents,
)
from tap_procountor.streams.base.incremental import IncrementalStream
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.base.rows import RowStream
from tap_procountor.streams.invoicing import Invoices
from tap_procountor.streams.registers import BusinessPartners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.company import Company
    from tap_procountor.readers.list_page import Source
    from tap_procountor.records.converter import Record, RecordConverter
    from tap_procountor.streams.base.stream import ProcountorStream

_NO_DOCUMENTS = (
    "The size, user and time of attachments stay empty, and files that belong to no document are "
    "missing: the Documents add-on is probably not in use."
)


def holders(stream: str, record: Record) -> Iterator[tuple[str, Record]]:
    """Yield what has attachments in a record, each with the stream whose row it is."""
    if stream != BankStatements.name:
        yield stream, record
    for _, event in with_parents(record.get("events") or ()):
        if isinstance(event, dict):
            yield BankStatementEvents.name, event | {"company_id": record["company_id"]}


#: The reference types of files that come with their owners. (A journal's is that of an invoice.)
#: Only the search knows the others: of the company itself (ENVIRONMENT), employees (EMPLOYEE_INFO)
#: and products.
_OWNED_TYPES = frozenset(
    {
        "INVOICE",
        "LEDGERRECEIPT",
        "CUSTOMER_BUSINESS_PARTNER_REGISTER",
        "SUPPLIER_BUSINESS_PARTNER_REGISTER",
        "PERSON_BUSINESS_PARTNER_REGISTER",
        "REFERENCE_PAYMENT",
        "BANKSTATEMENTEVENT",
    }
)


class Attachments(ReadStream, RowStream):
    """Files attached to documents: name, type, size, user and time, but not the content.

    They come with their owners. Those without one come from the search, each once, and have no
    ``owner_stream``.
    """

    name = "attachments"
    path = SEARCH_PATH
    # The owners come first.
    reads_ahead = False
    owners = (Invoices, LedgerReceipts, BusinessPartners, ReferencePayments, BankStatements)
    field = "attachments"
    owner_fields = {"owner_id": "id", "version": "version"}
    replication_key = "version"
    schema = RecordSchema(
        "Attachment",
        added={
            "owner_stream": STRING,
            "owner_id": INTEGER,
            "version": DATE_TIME,
            "size": INTEGER,
            "user": STRING,
            "attached": DATE_TIME,
        },
    )

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        return (*(path for owner in cls.owners for path in owner.paths()), cls.path)

    def is_empty(self, company: Company) -> bool:
        """Ask the search, which need not be there; the owners may have some in any case."""
        self.run.attachment_search(company).find(1)
        return False

    def read(self, company: Company) -> Iterator[Batch]:
        """Read the files that only the search knows, after the last one that a run has read."""
        search = self.run.attachment_search(company)
        last = 0 if self.run.is_backfill else self.state_of(company).get("highest_id", 0)
        for page in search.documents_after(last):
            rows = [
                {"id": number, "owner_stream": None, "owner_id": None}
                | {name: value for name, value in source.items() if name != "attachmentId"}
                for number, source in page
                if self._is_wanted(company, number, source)
            ]
            yield Batch(rows, [Row(number) for number, _ in page[-1:]])
        self._explain(company)

    def forget_bookmark(self, company: Company) -> None:
        self.state_of(company).pop("highest_id", None)

    def written(self, company: Company, batch: Batch) -> None:
        """Keep how far the search has been read, unless files may be hidden from it."""
        is_kept = not (self.run.is_backfill or self.run.deletion_guard(company).hides_rows)
        if batch.listed and is_kept:
            self.state_of(company)["highest_id"] = batch.listed[-1].id
            self.run.state_writer.write_state(self.tap_state)

    def _is_wanted(self, company: Company, number: int, source: Source) -> bool:
        """Whether a file belongs to no document and was attached in the time wanted."""
        if source.get("referenceType") in _OWNED_TYPES or number in self._owned[company.id]:
            return False
        start, end = self.run.moment("start_date"), self.run.moment("end_date")
        try:
            attached = self.run.api_clock.parse(source["attached"])
        except (KeyError, TypeError, ValueError):
            return True
        return not ((start and attached < start) or (end and attached > end))

    def _explain(self, company: Company) -> None:
        """Report what is missing if the search does not answer."""
        search = self.run.attachment_search(company)
        outcome = self.run.report.outcome(self.name, company.id)
        if search.is_off:
            finding = Finding(Verdict.MODULE_OFF, f"{search.fault} {_NO_DOCUMENTS}")
            outcome.find(finding, tolerated=True)
        elif search.fault and outcome.failure is None:
            outcome.fail(search.fault)
            if not self.run.is_backfill:
                self._remember_owners(company)

    def _remember_owners(self, company: Company) -> None:
        """Keep the bookmarks from which on the owners' files lack what the search knows."""
        for owner in self.run.streams.values():
            if isinstance(owner, IncrementalStream) and self in owner.row_streams:
                state = owner.state_of(company)
                # One that has not begun goes on from where it is.
                now = state.get("replication_key_value")
                state.setdefault("unsearched", owner.began_at.get(company.id, now))

    def before_reading(self, owner: ProcountorStream, company: Company) -> None:
        """Have an owner's documents read again once the search, which had failed, answers."""
        state = owner.state_of(company)
        if (
            isinstance(owner, IncrementalStream)
            and "unsearched" in state
            and self.run.attachment_search(company).answers()
        ):
            owner.move_bookmark_back(company, state.pop("unsearched"))

    def prepare(self, company: Company, steps: Iterator[Any]) -> Iterator[Any]:
        """Look the attachments of each batch up in the search, ahead of the writer."""
        search = self.run.attachment_search(company)
        #: None for a batch: only batches count for how far ahead is read.
        on_their_way: deque[Any] = deque()

        def batches() -> Iterator[Batch]:
            for step in steps:
                is_batch = isinstance(step, Batch)
                on_their_way.append(None if is_batch else step)
                if is_batch:
                    yield step

        def between() -> Iterator[Any]:
            while on_their_way and on_their_way[0]:
                yield on_their_way.popleft()

        def look_up(batch: Batch) -> tuple[Batch, dict[int, bytes]]:
            return batch, search.rows_of(attachment_ids(batch))

        # What is looked up ahead waits in memory: only a few.
        looked_up = company.threads.map_promptly(look_up, batches(), share=0.1, gently=True)
        for batch, found in looked_up:
            yield from between()
            on_their_way.popleft()
            documents = dict(self._converted(company, found))
            if search.fault:
                self._explain(company)
            yield batch._replace(attachments=documents) if documents else batch
            yield from between()
        yield from between()

    def rows(self, owner: ProcountorStream, record: Record) -> Iterator[dict[str, Any]]:
        """Yield the attachments of a document, or of the events of a statement."""
        for stream, holder in holders(owner.name, record):
            for row in super().rows(owner, holder):
                if row.get("reference_type") not in _OWNED_TYPES and row.get("id") is not None:
                    self._owned[row["company_id"]].add(row["id"])
                yield {**row, "owner_stream": stream}

    def completed(self, rows: Iterator[dict[str, Any]], batch: Batch) -> Iterator[dict[str, Any]]:
        """Add what the search says; where both say something, the owner counts."""
        for row in rows:
            document = batch.attachments.get(row.get("id", 0), {})
            additional = {**row.get(ADDITIONAL_FIELDS, {}), **document.get(ADDITIONAL_FIELDS, {})}
            yield document | row | ({ADDITIONAL_FIELDS: additional} if additional else {})

    def is_same(self, first: dict[str, Any], second: dict[str, Any]) -> bool:
        """Whether it is one file, which several events of a bank statement can have."""
        of_owner = {"owner_stream", *self.owner_fields}
        return all(
            first.get(name) == second.get(name)
            for name in (first.keys() | second.keys()) - of_owner
        )

    def _converted(
        self, company: Company, found: dict[int, bytes]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the search's documents as records; theirs has another name for the id."""
        for number, row in found.items():
            source = decode(row)
            try:
                record = self._convert(source)
            except RecordError as error:
                self.keep_out(company, Rejection.of(source, error))
                continue
            document = record.to_dict()
            del document["attachment_id"]
            yield number, document

    @cached_property
    def _owned(self) -> defaultdict[int, set[int]]:
        """Files of other types that an owner has all the same, by company."""
        return defaultdict(set)

    @cached_property
    def _convert(self) -> RecordConverter:
        return self.converter(SPECIFICATION.component("Document"))
