"""Outgoing payments: of invoices and of salaries, and the errors that banks report."""

from __future__ import annotations

from tap_procountor.permissions.access import Access
from tap_procountor.readers.completer import DetailEach
from tap_procountor.readers.keyset import Keyset
from tap_procountor.records.schema import RecordSchema
from tap_procountor.streams.base.dated import DatedStream

_PAYMENT = Access(any_of=("payments.payment",))


class Payments(DatedStream):
    """Outgoing payments of invoices."""

    name = "payments"
    lister = Keyset("/payments")
    replication_key = "payment_date"
    access = _PAYMENT
    schema = RecordSchema("BasicPaymentTransactionData")


class PaymentDetails(DatedStream):
    """Outgoing payments with their accounts, messages and currencies."""

    name = "payment_details"
    selected_by_default = False
    lister = Keyset("/payments")
    completer = DetailEach()
    replication_key = "payment_date"
    access = _PAYMENT
    schema = RecordSchema("BasicPaymentTransactionData", "PaymentRowInfo")


class PaymentErrorMessages(DatedStream):
    """Payment errors reported by banks, handled or not."""

    name = "payment_error_messages"
    lister = Keyset("/payments/errormessages", {"status": "ALL"})
    date_filters = ("createdStartDate", "createdEndDate")
    replication_key = "created_date"
    access = _PAYMENT
    schema = RecordSchema("PaymentErrorMessage")


class DirectSalaryPayments(DatedStream):
    """Lists of salaries paid in Procountor without using its payroll."""

    name = "direct_salary_payments"
    selected_by_default = False
    lister = Keyset("/payments/directsalarypayments")
    completer = DetailEach()
    replication_key = "payment_date"
    access = Access(any_of=("payments.salaryPayments",))
    schema = RecordSchema("DirectSalaryPaymentGroupBaseInfo", "DirectSalaryPaymentGroup")
