"""Receivables and payables: invoices and what hangs on them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tap_procountor.convert import RecordConverter, Rejection
from tap_procountor.documents import attachment_ids
from tap_procountor.errors import RecordError
from tap_procountor.schema import (
    ADDITIONAL_FIELDS,
    DATE_TIME,
    INTEGER,
    SPECIFICATION,
    STRING,
    RecordSchema,
)
from tap_procountor.streams.accounting import LedgerReceipts
from tap_procountor.streams.base import DocumentStream, RowStream
from tap_procountor.streams.registers import BusinessPartners
from tap_procountor.verdicts import Access, Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.companies import Company
    from tap_procountor.convert import Record
    from tap_procountor.reading import Batch, Source
    from tap_procountor.streams.base import ReadStream


_NO_DOCUMENTS = (
    "The size, user and time of attachments stay empty: the Documents add-on is probably not in "
    "use."
)


class Invoices(DocumentStream):
    """Invoices, orders, offers, travel and expense invoices and tax returns, with their rows."""

    name = "invoices"
    path = "/invoices"
    # Offers are hidden by default and exist among sales orders only.
    variants = ({}, {"types": "SALES_ORDER", "isOffer": "true"})
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
    """Product rows of the invoices."""

    name = "invoice_rows"
    owners = (Invoices,)
    field = "invoice_rows"
    owner_fields = {"invoice_id": "id", "version": "version"}
    primary_keys = ("company_id", "invoice_id", "id")
    replication_key = "version"
    schema = RecordSchema("InvoiceRow", added={"invoice_id": INTEGER, "version": DATE_TIME})


class Attachments(RowStream):
    """Files attached to documents: name, type, size, user and time, no content."""

    name = "attachments"
    owners = (Invoices, LedgerReceipts, BusinessPartners)
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

    def prepare(self, company: Company, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Look the attachments of each batch up in the search, ahead of the writer."""
        outcome = self._tap.report.outcome(self.name, company.id)
        search = self._tap.document_search(company)

        def look_up(batch: Batch) -> tuple[Batch, dict[int, Source]]:
            return batch, search.find(attachment_ids(batch))

        depth = max(2, company.client.concurrency // 4)
        for batch, found in company.client.ahead(look_up, batches, depth):
            self._found = dict(self._converted(company, found))
            if search.refusal:
                finding = Finding(Verdict.MODULE_OFF, f"{search.refusal} {_NO_DOCUMENTS}")
                outcome.find(finding, tolerated=True)
            yield batch

    def rows(self, owner: ReadStream, record: Record) -> Iterator[dict[str, Any]]:
        """Yield the attachments of a document."""
        for row in super().rows(owner, record):
            document = self._found.get(row.get("id", 0), {})
            additional = {**row.get(ADDITIONAL_FIELDS, {}), **document.get(ADDITIONAL_FIELDS, {})}
            yield {
                **document,
                **row,
                "owner_stream": owner.name,
                **({ADDITIONAL_FIELDS: additional} if additional else {}),
            }

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
                self._tap.reject(self, company, Rejection.of(source, error))
                continue
            document = record.to_dict()
            del document["attachment_id"]
            yield number, document

    @cached_property
    def _convert(self) -> RecordConverter:
        return RecordConverter(
            SPECIFICATION.component("Document"),
            self._tap.api_clock.to_utc,
            lambda path: self._tap.report.found_unknown_field(self.name, path),
        )
