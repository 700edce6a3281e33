"""Payments, the bank's documents, and what hangs on invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.sandbox.books import invoice_events
from tap_procountor.sandbox.errors import ApiError

from .core import REGISTERS as CORE_REGISTERS
from .declarations import Call, Register, Single, any_of, but, equal, since, text, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_procountor.sandbox.books.collection import Document, Json
    from tap_procountor.sandbox.books.invoices import InvoiceRow

_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND = 400, 403, 404
_MOST_IDS = 200
_DEFAULT_PAGE_SIZE = 50

_DATES = {"startDate": since("date"), "endDate": until("date")}

(_INVOICES,) = (one for one in CORE_REGISTERS if one.name == "invoices")

REGISTERS = (
    Register(
        path="/bankaccounts",
        name="bankaccounts",
        filters={},
        rights=("management.basicCompanyInfo",),
    ),
    Register(
        path="/bankstatements",
        name="bankstatements",
        filters=_DATES,
        header_filters={"accountNumber": "accountNumber"},
        rights=("payments.bankStatementAndReferencePayment",),
    ),
    Register(
        path="/referencepayments",
        name="referencepayments",
        filters={**_DATES, "accountNumber": text("accountNumber")},
        header_filters={"accountNumber": "accountNumber"},
        rights=("payments.bankStatementAndReferencePayment",),
    ),
    Register(
        path="/payments",
        name="payments",
        filters={**_DATES, "invoiceId": any_of("invoice")},
        rights=("payments.payment",),
    ),
    Register(
        path="/payments/errormessages",
        name="payments/errormessages",
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
    Register(
        path="/payments/directsalarypayments",
        name="payments/directsalarypayments",
        filters={**_DATES, "name": text("listName"), "customId": text("customId")},
        rights=("payments.salaryPayments",),
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


def _payment_events(call: Call) -> Json:
    return _page(invoice_events.payment_events(call.company.books.seed, _invoice(call)), call)


def _comments(call: Call) -> Json:
    row = _invoice(call)
    if not call.company.discussion or row.type not in invoice_events.DISCUSSED:
        raise ApiError(_FORBIDDEN, "The discussion is not in use")
    return {"comments": invoice_events.comments(call.company.books.seed, row)}


def _invoice(call: Call) -> InvoiceRow:
    number = call.path["invoiceId"]
    rows = _visible(call, [int(number)] if number.isdecimal() else [])
    if not rows:
        raise ApiError(_NOT_FOUND, "Not found")
    return rows[0]


def _visible(call: Call, numbers: Iterable[int]) -> list[InvoiceRow]:
    """Return those of the invoices that there are and that the user may see."""
    rows = call.company.books.invoices.rows
    positions: Iterable[int] = [at for at in map(rows.position, numbers) if at is not None]
    for right, condition in _INVOICES.hidden.items():
        if not call.company.rights.allows(right):
            positions = rows.keep(condition, positions)
    return [rows.row_at(at) for at in positions]


def _page(documents: list[Document], call: Call) -> Json:
    """Return a page of documents that belong to another one, the newest first by default."""
    is_ascending = call.query.get("orderById", "DESC") == "ASC"
    previous, size = call.query.get("previousId"), call.query.get("size", _DEFAULT_PAGE_SIZE)
    number = call.query.get("page", 0)
    ordered = sorted(documents, key=lambda one: int(one["id"]), reverse=not is_ascending)
    following = [one for one in ordered if not previous or (one["id"] > previous) is is_ascending]
    results = following[number * size : (number + 1) * size]
    meta = {
        "pageNumber": number,
        "pageSize": size,
        "resultCount": len(results),
        "totalCount": len(documents),
    }
    return {"results": results, "meta": meta}


SINGLES = (
    Single("/invoices/transactions", _status_log, _INVOICES.rights),
    Single("/invoices/{invoiceId}/paymentevents", _payment_events, _INVOICES.rights),
    Single("/invoices/{invoiceId}/comments", _comments, _INVOICES.rights),
)
