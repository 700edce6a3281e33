"""Receivables and payables: invoices, their rows, payments, comments and status log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_procountor.errors import ForbiddenError
from tap_procountor.permissions.access import Access
from tap_procountor.readers.completer import DetailBatches
from tap_procountor.readers.keyset import Keyset
from tap_procountor.readers.owned_rows import RowsOfOwner, RowsOfOwners
from tap_procountor.records.schema import DATE_TIME, INTEGER, RecordSchema
from tap_procountor.streams.base.incremental import IncrementalStream, Step
from tap_procountor.streams.base.rows import RowStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_procountor.api.company import Company

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
