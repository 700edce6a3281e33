"""Payments, the bank and what hangs on invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.oracle.records import COMPONENTS, documents, expected_record, utc
from tap_procountor.sandbox.books import invoice_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from support.exact import Record
    from support.oracle.records import Rows
    from tap_procountor.sandbox.company import Company

#: The kinds of the sandbox's documents whose tables can be asked for by date, and others.
KINDS = {
    "bank_accounts": "bankaccounts",
    "bank_statements": "bankstatements",
    "reference_payments": "referencepayments",
    "payment_details": "payments",
    "payment_error_messages": "payments/errormessages",
    "direct_salary_payments": "payments/directsalarypayments",
}
_COMPONENTS = {
    "bank_accounts": ("CompanyBankAccountBasicInfo", "CompanyBankAccount"),
    "bank_statements": ("BankStatement",),
    "reference_payments": ("ReferencePayment",),
    "payment_details": ("BasicPaymentTransactionData", "PaymentRowInfo"),
    "payment_error_messages": ("PaymentErrorMessage",),
    "direct_salary_payments": ("DirectSalaryPaymentGroupBaseInfo", "DirectSalaryPaymentGroup"),
}


def _payments(company: Company) -> Iterator[Record]:
    shown = COMPONENTS["BasicPaymentTransactionData"]["properties"]
    for document in company.truth("payments"):
        row = {name: value for name, value in document.items() if name in shown}
        yield expected_record(row, "BasicPaymentTransactionData", company_id=company.id)


def _events(company: Company) -> Iterator[Record]:
    for statement in company.truth("bankstatements"):
        inherited = {
            "bank_statement_id": statement["id"],
            "statement_start_date": statement["startDate"],
        }
        for outer in statement["events"]:
            inner = outer.pop("event", [])
            for parent, event in [(None, outer), *((outer["id"], one) for one in inner)]:
                row = expected_record(event, "BankStatementEvent", company_id=company.id)
                yield row | inherited | {"parent_event_id": parent}


def _of_invoices(
    rows_of: Callable[..., Iterable[Any]],
    component: str,
    *,
    has_offers: bool = True,
    has_position: bool = False,
) -> Rows:
    """Return the rows of a table that holds what the API has of each invoice.

    Args:
        rows_of: Makes them from the seed of the books and the invoice.
        component: Their schema.
        has_offers: Whether offers have any.
        has_position: Whether they are counted, having no id.
    """

    def rows(company: Company) -> Iterator[Record]:
        versions = {one["id"]: utc(one["version"]) for one in company.truth("invoices")}
        for invoice in company.books.invoices.rows:
            if invoice.offer and not has_offers:
                continue
            for position, document in enumerate(rows_of(company.books.seed, invoice)):
                row = expected_record(document, component, company_id=company.id)
                row |= {"invoice_id": invoice.id, "version": versions[invoice.id]}
                yield row | ({"position": position} if has_position else {})

    return rows


TABLES: dict[str, Rows] = {
    **{stream: documents(kind, *_COMPONENTS[stream]) for stream, kind in KINDS.items()},
    "payments": _payments,
    "bank_statement_events": _events,
    "invoice_status_log": _of_invoices(
        invoice_events.actions, "InvoiceTransaction", has_position=True
    ),
    "invoice_payment_events": _of_invoices(
        invoice_events.payment_events, "PaymentEvent", has_offers=False
    ),
    "invoice_comments": _of_invoices(invoice_events.comments, "Comment"),
}
