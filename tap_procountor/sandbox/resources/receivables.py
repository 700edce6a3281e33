"""Payments, the bank's documents, and what hangs on invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.sandbox.books import invoice_events
from tap_procountor.sandbox.books.collection import OneOf
from tap_procountor.sandbox.errors import ApiError

from .core import INVOICES
from .declarations import DATES, Call, Computed, Resource, any_of, but, equal, since, text, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_procountor.sandbox.books.collection import Json
    from tap_procountor.sandbox.books.invoices import InvoiceRow

_BAD_REQUEST, _NOT_FOUND = 400, 404
_MOST_IDS = 200

RESOURCES = (
    Resource(
        "bank_accounts",
        path="/bankaccounts",
        data=lambda books: books.banking.accounts,
        rights=("management.basicCompanyInfo",),
    ),
    Resource(
        "bank_statements",
        path="/bankstatements",
        data=lambda books: books.banking.statements,
        filters=DATES,
        header_filters={"accountNumber": "accountNumber"},
        rights=("payments.bankStatementAndReferencePayment",),
    ),
    Resource(
        "reference_payments",
        path="/referencepayments",
        data=lambda books: books.banking.reference_payments,
        filters={**DATES, "accountNumber": text("accountNumber")},
        header_filters={"accountNumber": "accountNumber"},
        rights=("payments.bankStatementAndReferencePayment",),
    ),
    Resource(
        "payments",
        path="/payments",
        data=lambda books: books.payments.rows,
        filters={**DATES, "invoiceId": any_of("invoice")},
        rights=("payments.payment",),
    ),
    Resource(
        "payment_error_messages",
        path="/payments/errormessages",
        data=lambda books: books.payments.errors,
        filters={
            "createdStartDate": since("date"),
            "createdEndDate": until("date"),
            "type": equal("type"),
            "status": lambda value: None if value == "ALL" else equal("status")(value),
        },
        # What the API shows without a status is nowhere said: here, what is to be done.
        fallbacks={"status": but("status", "HANDLED")},
        rights=("payments.payment",),
        has_details=False,
    ),
    Resource(
        "direct_salary_payments",
        path="/payments/directsalarypayments",
        data=lambda books: books.payments.salaries,
        filters={**DATES, "name": text("listName"), "customId": text("customId")},
        rights=("payments.salaryPayments",),
    ),
    Resource(
        "invoice_payment_events",
        path="/invoices/{invoiceId}/paymentevents",
        owners="invoices",
        data=lambda books, invoice: invoice_events.payment_events(books.seed, invoice),
    ),
    Resource(
        "invoice_comments",
        path="/invoices/{invoiceId}/comments",
        owners="invoices",
        data=lambda books, invoice: invoice_events.comments(books.seed, invoice),
        is_available=lambda company: company.discussion,
        applies_to=OneOf("type", frozenset(invoice_events.DISCUSSED)),
    ),
)


def _status_log(call: Call) -> Json:
    numbers = call.query["invoiceIds"]
    if len(numbers) > _MOST_IDS:
        raise ApiError(_BAD_REQUEST, "Too many ids", "invoiceIds")
    rows = _visible(call, sorted(numbers))
    if not rows:
        raise ApiError(_NOT_FOUND, "Not found")
    seed = call.company.books.seed
    return {
        "results": [
            {"invoiceId": row.id, "transactions": invoice_events.actions(seed, row)} for row in rows
        ]
    }


def _visible(call: Call, numbers: Iterable[int]) -> list[InvoiceRow]:
    """Return those of the invoices that there are and that the user may see."""
    rows = call.company.books.invoices.rows
    positions: Iterable[int] = [at for at in map(rows.position, numbers) if at is not None]
    for right, condition in INVOICES.hidden.items():
        if not call.company.rights.allows(right):
            positions = rows.keep(condition, positions)
    return [rows.row_at(at) for at in positions]


COMPUTED = (Computed("/invoices/transactions", _status_log, INVOICES.rights),)
