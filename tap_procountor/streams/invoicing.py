"""Receivables and payables: invoices and what hangs on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_procountor.schema import DATE_TIME, INTEGER, STRING, RecordSchema
from tap_procountor.streams.accounting import LedgerReceipts
from tap_procountor.streams.base import DocumentStream, RowStream
from tap_procountor.streams.registers import BusinessPartners
from tap_procountor.verdicts import Access

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.convert import Record
    from tap_procountor.streams.base import ReadStream


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
    """Files attached to documents: name and type, no content."""

    name = "attachments"
    owners = (Invoices, LedgerReceipts, BusinessPartners)
    field = "attachments"
    owner_fields = {"owner_id": "id", "version": "version"}
    replication_key = "version"
    schema = RecordSchema(
        "Attachment",
        added={"owner_stream": STRING, "owner_id": INTEGER, "version": DATE_TIME},
    )

    def rows(self, owner: ReadStream, record: Record) -> Iterator[dict[str, Any]]:
        """Yield the attachments of a document."""
        for row in super().rows(owner, record):
            yield {**row, "owner_stream": owner.name}
