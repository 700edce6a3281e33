"""Receivables and payables: invoices and what hangs on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_procountor.errors import ForbiddenError
from tap_procountor.schema import DATE_TIME, INTEGER, STRING, RecordSchema
from tap_procountor.streams.accounting import LedgerReceipts
from tap_procountor.streams.banking import (
    BankStatementEvents,
    BankStatements,
    ReferencePayments,
    with_parents,
)
from tap_procountor.streams.base import DocumentStream, RowStream
from tap_procountor.streams.owned import BatchOwnedStream, OwnedStream
from tap_procountor.streams.registers import BusinessPartners
from tap_procountor.verdicts import Access

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.companies import Company
    from tap_procountor.convert import Record
    from tap_procountor.reading import Batch
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


class InvoiceStatusLog(BatchOwnedStream):
    """What was done to each invoice, by whom and when."""

    name = "invoice_status_log"
    path = Invoices.path
    variants = Invoices.variants
    rows_path = "/invoices/transactions"
    ids_parameter = "invoiceIds"
    group_field = "invoiceId"
    records_field = "transactions"
    owner_fields = {"invoice_id": "id", "version": "version"}
    adds_position = True
    primary_keys = ("company_id", "invoice_id", "position")
    access = Invoices.access
    schema = RecordSchema(
        "InvoiceTransaction",
        added={"invoice_id": INTEGER, "position": INTEGER, "version": DATE_TIME},
    )


class InvoicePaymentEvents(OwnedStream):
    """Payments of each invoice, and what else has settled it."""

    name = "invoice_payment_events"
    selected_by_default = False
    # Offers, which this list does not show, are not paid.
    path = Invoices.path
    rows_path = "/invoices/{id}/paymentevents"
    is_paged = True
    owner_fields = {"invoice_id": "id", "version": "version"}
    primary_keys = ("company_id", "invoice_id", "id")
    access = Invoices.access
    schema = RecordSchema("PaymentEvent", added={"invoice_id": INTEGER, "version": DATE_TIME})


class InvoiceComments(OwnedStream):
    """Discussions of purchase, travel and expense invoices."""

    name = "invoice_comments"
    selected_by_default = False
    path = Invoices.path
    variants = ({"types": "PURCHASE_INVOICE,TRAVEL_INVOICE,BILL_OF_CHARGES"},)
    rows_path = "/invoices/{id}/comments"
    records_field = "comments"
    owner_fields = {"invoice_id": "id", "version": "version"}
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

    def _read(self, company: Company, *progress: Any) -> Iterator[Batch]:  # noqa: ANN401
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


class Attachments(RowStream):
    """Files attached to documents: name and type, no content."""

    name = "attachments"
    owners = (Invoices, LedgerReceipts, BusinessPartners, ReferencePayments, BankStatements)
    field = "attachments"
    owner_fields = {"owner_id": "id", "version": "version"}
    replication_key = "version"
    schema = RecordSchema(
        "Attachment",
        added={"owner_stream": STRING, "owner_id": INTEGER, "version": DATE_TIME},
    )

    def rows(self, owner: ReadStream, record: Record) -> Iterator[Record]:
        """Yield the attachments of a document, or of the events of a statement."""
        if owner.name != BankStatements.name:
            for row in super().rows(owner, record):
                yield {**row, "owner_stream": owner.name}
            return
        for _, event in with_parents(record.get("events") or ()):
            for row in super().rows(owner, {**event, "company_id": record["company_id"]}):
                yield {**row, "owner_stream": BankStatementEvents.name}
