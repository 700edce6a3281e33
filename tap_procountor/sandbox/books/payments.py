"""Payments of purchases, claims, taxes and salaries, and what went wrong with some."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from .banking import IBANS
from .collection import Collection, Document
from .invoices import UNKNOWN_STATUS
from .money import euros
from .randomness import Seed, Topic, happens
from .times import SECONDS_PER_DAY, date_text, time_text
from .words import COMPANY_NAMES, NOTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .invoices import InvoiceRow

_PAID = ("PURCHASE_INVOICE", "TRAVEL_INVOICE", "BILL_OF_CHARGES", "PERIODIC_TAX_RETURN")
_STATUSES = ("PAID", "PAID", "PAYMENT_QUEUED", "PAYMENT_SENT_TO_BANK", "PAYMENT_DENIED")
_LIST_STATUSES = ("PAID", "PAYMENT_QUEUED", UNKNOWN_STATUS)
_ERROR_TYPES = ("PAYMENT_ERROR", "PAYMENT_ERROR", "NETS_COLLECTION_ERROR", "TYEL_ERROR")
_DAYS_PER_MONTH = 30
_PAYMENTS_PER_ERROR = 20
_FIRST_ERROR = 7001
_FIRST_LIST = 8001
_LATEST_DELAY_DAYS = 10


class PaymentRow(NamedTuple):
    """What the books remember of a payment."""

    id: int
    revision: int
    date: int
    invoice: int


class ErrorRow(NamedTuple):
    """What the books remember of an error message."""

    id: int
    revision: int
    date: int
    type: str
    status: str
    payment: int


class SalaryListRow(NamedTuple):
    """What the books remember of a list of direct salary payments."""

    id: int
    revision: int
    date: int


class Payments:
    """The payments of a company."""

    def __init__(self, seed: Seed, shift: int) -> None:
        self._seed = seed
        self._shift = shift
        self.rows = Collection(PaymentRow, self.write)
        self.errors = Collection(ErrorRow, self.write_error)
        self.salaries = Collection(SalaryListRow, self.write_salary_list)

    def fill(self, first_id: int, invoices: Sequence[InvoiceRow], start: int, end: int) -> None:
        """Make the payments of the invoices, their errors, and a list of salaries a month."""
        random = self._seed.random(Topic.PAYMENTS)
        due = sorted(
            (row.due + int(random.random() * _LATEST_DELAY_DAYS), row.id)
            for row in invoices
            if row.type in _PAID
        )
        days = [day for day, _ in due]
        ids = [first_id + 2 * at for at in range(len(due))]
        self.rows.fill(ids, [0] * len(due), days, [number for _, number in due])
        count = -(-len(due) // _PAYMENTS_PER_ERROR)
        self.errors.fill(
            [self._shift + _FIRST_ERROR + at for at in range(count)],
            [0] * count,
            days[::_PAYMENTS_PER_ERROR],
            [random.choice(_ERROR_TYPES) for _ in range(count)],
            [("UNHANDLED", "HANDLED")[at % 2] for at in range(count)],
            ids[::_PAYMENTS_PER_ERROR],
        )
        first, last = start // SECONDS_PER_DAY, end // SECONDS_PER_DAY
        months = range(first, last, _DAYS_PER_MONTH) if invoices else range(0)
        numbers = [self._shift + _FIRST_LIST + at for at in range(len(months))]
        self.salaries.fill(numbers, [0] * len(months), months)

    def write(self, row: PaymentRow) -> Document:
        """Write the payment of a row, with the fields that only lists show."""
        random = self._seed.random(Topic.PAYMENTS, row.id, row.revision)
        amount = euros(100 + int(random.random() * 1_000_000))
        payment: Document = {
            "id": row.id,
            "invoiceId": row.invoice,
            "paymentDate": date_text(row.date),
            "amount": amount,
            "receiverName": random.choice(COMPANY_NAMES),
            "currency": "SEK" if happens(random, 0.1) else "EUR",
            "payerAccount": random.choice(IBANS),
            "payerBic": "OKOYFIHH",
            "message": random.choice(NOTES),
            "receiverAccount": "FI5089199710000724",
            "receiverBic": None,
            "createdBy": "Maksaja, Päivi",
            "status": random.choice(_STATUSES),
            "serviceCharge": "BOTH_PAY_OWN_FEES",
            "paidAmount": amount,
            "paidCurrency": "EUR",
        }
        if happens(random, 0.05):
            payment["instant"] = {"fee": Decimal("0.150")}
        return payment

    def write_error(self, row: ErrorRow) -> Document:
        """Write the error message of a row."""
        handling = {
            "date": date_text(row.date + 1),
            "userId": 501,
            "firstName": "Päivi",
            "lastName": "Öhman",
            "comment": 'Tilinumero "korjattu"',
        }
        return {
            "id": row.id,
            "createdDate": date_text(row.date),
            "type": row.type,
            "status": row.status,
            "errorCode": "AC01",
            "referenceId": row.payment,
            "referenceType": "DIRECT_BANK_TRANSFER",
            "invoiceType": "PURCHASE_INVOICE",
            "errorHandlingInfo": handling if row.status == "HANDLED" else None,
        }

    def write_salary_list(self, row: SalaryListRow) -> Document:
        """Write the list of salaries of a row."""
        random = self._seed.random(Topic.PAYMENTS, row.id, row.revision)
        return {
            "id": row.id,
            "listName": f"Palkat {date_text(row.date)}",
            "created": time_text((row.date - 2) * SECONDS_PER_DAY + 9 * 3600),
            "status": random.choice(_LIST_STATUSES),
            "paymentMethod": "FINNISH_SALARY_TRANSFER",
            "paymentDate": time_text(row.date * SECONDS_PER_DAY),
            "payerBankAccount": IBANS[0],
            "totalSum": euros(int(random.random() * 5_000_000)),
            "customId": None if happens(random, 0.5) else f"P-{row.id}",
            "payments": [
                {"paymentId": row.id * 20 + at, "customId": None}
                for at in range(1 + int(random.random() * 4))
            ],
        }
