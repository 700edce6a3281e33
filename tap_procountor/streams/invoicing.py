"""Receivables and payables: invoices and what hangs on them."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_procountor.errors import ForbiddenError, RecordError
from tap_procountor.permissions.access import Access, Finding, Verdict
from tap_procountor.readers.attachment_search import SEARCH_PATH, Found, attachment_ids
from tap_procountor.readers.batch import Batch, Row
from tap_procountor.readers.completer import DetailBatches
from tap_procountor.readers.keyset import Keyset
from tap_procountor.readers.owned_rows import RowsOfOwner, RowsOfOwners
from tap_procountor.records.converter import RecordConverter
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
from tap_procountor.streams.base.incremental import IncrementalStream, Step
from tap_procountor.streams.base.read import ReadStream
from tap_procountor.streams.base.rows import RowStream
from tap_procountor.streams.registers import BusinessPartners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Tap

    from tap_procountor.api.company import Company
    from tap_procountor.readers.list_page import Source
    from tap_procountor.records.converter import Record
    from tap_procountor.streams.base.context import RunContext
    from tap_procountor.streams.base.stream import ProcountorStream


_NO_DOCUMENTS = (
    "The size, user and time of attachments stay empty, and files that belong to no document are "
    "missing: the Documents add-on is probably not in use."
)


_OF_INVOICE = {"invoice_id": "id", "version": "version"}


class Invoices(IncrementalStream):
    """Invoices, orders, offers, travel and expense invoices and tax returns, with their rows."""

    name = "invoices"
    # Offers are hidden by default and exist among sales orders only.
    lister = Keyset("/invoices", {}, {"types": "SALES_ORDER", "isOffer": "true"})
    completer = DetailBatches()
    access = Access(
        parts={
            "sales.salesInvoiceSearch": "sales invoices and orders",
            "purchases.purchaseInvoiceSearch": "purchase invoices and orders",
            "travelAndExpenses.travelAndExpenseInvoiceSearch": "travel and expense invoices",
        },
        limits=(
            "sales.personalSalesInvoicesOnly",
            "purchases.personalPurchaseInvoicesOnly",
            "travelAndExpenses.personalTravelAndExpenseInvoiceOnly",
            "user.limitedDimensions",
        ),
    )
    schema = RecordSchema("InvoiceBasicInfo", "Invoice")


class InvoiceRows(RowStream):
    """Product rows of invoices."""

    name = "invoice_rows"
    owners = (Invoices,)
    field = "invoice_rows"
    owner_fields = {"invoice_id": "id", "version": "version"}
    primary_keys = ("company_id", "invoice_id", "id")
    replication_key = "version"
    schema = RecordSchema("InvoiceRow", added={"invoice_id": INTEGER, "version": DATE_TIME})


class InvoiceStatusLog(IncrementalStream):
    """What was done to each invoice, by whom and when."""

    name = "invoice_status_log"
    lister = Invoices.lister
    completer = RowsOfOwners(
        "/invoices/transactions",
        _OF_INVOICE,
        ids_parameter="invoiceIds",
        group_field="invoiceId",
        records_field="transactions",
        adds_position=True,
    )
    primary_keys = ("company_id", "invoice_id", "position")
    access = Invoices.access
    schema = RecordSchema(
        "InvoiceTransaction",
        added={"invoice_id": INTEGER, "position": INTEGER, "version": DATE_TIME},
    )


class InvoicePaymentEvents(IncrementalStream):
    """Payments of each invoice, and whatever else settled it."""

    name = "invoice_payment_events"
    selected_by_default = False
    # Offers, which this list does not show, are not paid.
    lister = Keyset(Invoices.lister.path)
    completer = RowsOfOwner("/invoices/{id}/paymentevents", _OF_INVOICE, is_paged=True)
    primary_keys = ("company_id", "invoice_id", "id")
    access = Invoices.access
    schema = RecordSchema("PaymentEvent", added={"invoice_id": INTEGER, "version": DATE_TIME})


class InvoiceComments(IncrementalStream):
    """Comments on purchase, travel and expense invoices."""

    name = "invoice_comments"
    selected_by_default = False
    lister = Keyset(
        Invoices.lister.path, {"types": "PURCHASE_INVOICE,TRAVEL_INVOICE,BILL_OF_CHARGES"}
    )
    completer = RowsOfOwner("/invoices/{id}/comments", _OF_INVOICE, records_field="comments")
    primary_keys = ("company_id", "invoice_id", "id")
    access = Access(
        parts={
            right: rows
            for right, rows in Invoices.access.parts.items()
            if not right.startswith("sales.")
        },
        limits=Invoices.access.limits,
        module="the discussion of invoices",
    )
    schema = RecordSchema("Comment", added={"invoice_id": INTEGER, "version": DATE_TIME})

    def is_empty(self, company: Company) -> bool:
        """Ask for one invoice and its comments, if there can be any."""
        self._check_use(company)
        return super().is_empty(company)

    def _read(self, company: Company, *progress: Any) -> Iterator[Step]:  # noqa: ANN401
        # Not a request per invoice, only to be refused each time.
        self._check_use(company)
        yield from super()._read(company, *progress)

    @staticmethod
    def _check_use(company: Company) -> None:
        if company.discusses_invoices is False:
            msg = (
                "The company's settings say that invoices are not discussed in Procountor: "
                "deselect this table, or switch the discussion on."
            )
            raise ForbiddenError(msg)


def holders(stream: str, record: Record) -> Iterator[tuple[str, Record]]:
    """Yield what has attachments in a stream's record, and the stream that it is in itself."""
    if stream != BankStatements.name:
        yield stream, record
    for _, event in with_parents(record.get("events") or ()):
        if isinstance(event, dict):
            yield BankStatementEvents.name, event | {"company_id": record["company_id"]}


#: What the API calls the owners' documents where a file refers to them. (An invoice's is also what
#: it calls a journal's.) What a file of another kind belongs to, only the search knows: the company
#: itself (ENVIRONMENT), employees (EMPLOYEE_INFO), products.
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


class Attachments(RowStream, ReadStream):
    """Files attached to documents: name, type, size, user and time, but not the content.

    They come with their owners. Those that belong to none of them come from the search, each once;
    they have no ``owner_stream``.
    """

    name = "attachments"
    path = SEARCH_PATH
    owners = (Invoices, LedgerReceipts, BusinessPartners, ReferencePayments, BankStatements)
    field = "attachments"
    owner_fields = {"owner_id": "id", "version": "version"}
    replication_key = "version"
    #: The owners come first.
    reads_ahead = False
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

    get_records = ReadStream.get_records

    def __init__(self, tap: Tap, run: RunContext) -> None:
        super().__init__(tap, run)
        #: Files of other kinds that an owner has all the same, by company.
        self._owned: defaultdict[int, set[int]] = defaultdict(set)

    @classmethod
    def paths(cls) -> tuple[str, ...]:
        """Return the paths of the owners, and the search."""
        return (*super().paths(), SEARCH_PATH)

    def is_empty(self, company: Company) -> bool:
        """Say no, for the owners may have some; ask the search, which need not be there."""
        self.run.attachment_search(company).find(1)
        return False

    def read(self, company: Company) -> Iterator[Batch]:
        """Read what only the search knows, from the last file on that a run has come across."""
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
        """Let the next read begin at the beginning."""
        self.state_of(company).pop("highest_id", None)

    def written(self, company: Company, batch: Batch) -> None:
        """Keep how far the search has been read, unless files may be hidden from it."""
        is_kept = not (self.run.is_backfill or self.run.deletion_guard(company).hides_rows)
        if batch.listed and is_kept:
            self.state_of(company)["highest_id"] = batch.listed[-1].id
            self.run.state_writer.write_state(self.tap_state)

    def _is_wanted(self, company: Company, number: int, source: Source) -> bool:
        """Tell whether a file belongs to no document and was attached in the time wanted."""
        if source.get("referenceType") in _OWNED_TYPES or number in self._owned[company.id]:
            return False
        start, end = self.run.moment("start_date"), self.run.moment("end_date")
        try:
            attached = self.run.api_clock.parse(source["attached"])
        except (KeyError, TypeError, ValueError):
            return True
        return not ((start and attached < start) or (end and attached > end))

    def _explain(self, company: Company) -> None:
        """Note what is missing if the search does not answer."""
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
        """Keep where the owners' documents begin that lack what the search would have told."""
        for owner in self.run.streams.values():
            if isinstance(owner, IncrementalStream) and self in owner.row_streams:
                state = owner.state_of(company)
                # One that has not begun goes on from where it is.
                now = state.get("replication_key_value")
                state.setdefault("unsearched", owner.began_at.get(company.id, now))

    def before_reading(self, owner: ProcountorStream, company: Company) -> None:
        """Read an owner's documents again once the search answers that had failed."""
        state = owner.state_of(company)
        if (
            isinstance(owner, IncrementalStream)
            and "unsearched" in state
            and self.run.attachment_search(company).answers()
        ):
            owner.move_bookmark_back(company, state.pop("unsearched"))

    def prepare(self, company: Company, batches: Iterator[Any]) -> Iterator[Any]:
        """Look the attachments of each batch up in the search, ahead of the writer."""
        search = self.run.attachment_search(company)

        def look_up(batch: Batch | object) -> tuple[Any, list[int], Found]:
            ids = [*attachment_ids(batch)] if isinstance(batch, Batch) else []
            return batch, ids, search.begin(ids)

        # What is looked up ahead waits in memory: few.
        for batch, ids, found in company.threads.map_promptly(
            look_up, batches, share=1 / 10, gently=True
        ):
            self._found = dict(self._converted(company, search.finish(ids, found)))
            if search.fault:
                self._explain(company)
            yield batch

    def rows(self, owner: ProcountorStream, record: Record) -> Iterator[dict[str, Any]]:
        """Yield the attachments of a document, or of the events of a statement."""
        for stream, holder in holders(owner.name, record):
            for row in super().rows(owner, holder):
                if row.get("reference_type") not in _OWNED_TYPES and row.get("id") is not None:
                    self._owned[row["company_id"]].add(row["id"])
                yield self._with_document({**row, "owner_stream": stream})

    def is_same(self, first: dict[str, Any], second: dict[str, Any]) -> bool:
        """Whether it is one file, which several events of a bank statement can have."""
        of_owner = {"owner_stream", *self.owner_fields}
        return all(
            first.get(name) == second.get(name)
            for name in (first.keys() | second.keys()) - of_owner
        )

    def _with_document(self, row: dict[str, Any]) -> dict[str, Any]:
        """Add what the search says."""
        document = self._found.get(row.get("id", 0), {})
        additional = {**row.get(ADDITIONAL_FIELDS, {}), **document.get(ADDITIONAL_FIELDS, {})}
        return document | row | ({ADDITIONAL_FIELDS: additional} if additional else {})

    #: What the search says about the attachments of the batch that is being written.
    _found: dict[int, dict[str, Any]] = {}

    def _converted(
        self, company: Company, found: dict[int, Source]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield what the owners do not say: they have an id of another name."""
        for number, source in found.items():
            try:
                record = self._convert(source)
            except RecordError as error:
                self.keep_out(company, Rejection.of(source, error))
                continue
            document = record.to_dict()
            del document["attachment_id"]
            yield number, document

    @cached_property
    def _convert(self) -> RecordConverter:
        return RecordConverter(
            SPECIFICATION.component("Document"),
            self.run.api_clock,
            self.run.report.remarks(self.name),
        )
