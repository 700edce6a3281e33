"""The company's bank accounts, and what the bank tells of them: statements, reference payments."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from .attachments import Owner, attachments
from .collection import Collection, Document
from .money import euros
from .randomness import Seed, Topic, happens
from .times import SECONDS_PER_DAY, date_text, time_text
from .words import COMPANY_NAMES, NOTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from .invoices import InvoiceRow

IBANS = ("FI4250001510000023", "FI2112345600000785", "FI7944052020036082")

_FIRST_LARGE_ID = 3_000_000_000
"""Ids of statements and reference payments have 64 bits."""

_EVENTS_PER_STATEMENT = 16
_FIRST_EVENT = 2_000_000
_FIRST_REFERENCE_PAYMENT = 5_000_000
_LATEST_DELAY_DAYS = 20


class BankAccountRow(NamedTuple):
    """What the books remember of a bank account."""

    id: int
    iban: str
    order: int
    active: bool


class StatementRow(NamedTuple):
    """What the books remember of a bank statement; ``number`` counts them."""

    id: int
    revision: int
    date: int
    number: int


class ReferencePaymentRow(NamedTuple):
    """What the books remember of a reference payment."""

    id: int
    revision: int
    date: int
    invoice: int


class Banking:
    """The bank's side of the books."""

    def __init__(self, seed: Seed, shift: int) -> None:
        self._seed = seed
        self._shift = shift
        self.accounts = Collection(BankAccountRow, _account)
        self.accounts.fill(
            *zip(
                *[
                    BankAccountRow(shift + 601 + 3 * at, iban, len(IBANS) - at, active=at < 2)  # noqa: PLR2004
                    for at, iban in enumerate(IBANS)
                ],
                strict=True,
            )
        )
        self.statements = Collection(StatementRow, self.write_statement)
        self.reference_payments = Collection(ReferencePaymentRow, self.write_reference_payment)

    def fill(self, invoices: Sequence[InvoiceRow], start: int, end: int) -> None:
        """Make statements at even intervals, at most daily, and payments of sales invoices."""
        first, last = start // SECONDS_PER_DAY, end // SECONDS_PER_DAY
        count = min(2 * len(invoices), last - first)
        self.statements.fill(
            [self._shift + _FIRST_LARGE_ID + 2 * at for at in range(count)],
            [0] * count,
            [first + (at + 1) * (last - first) // count for at in range(count)],
            range(count),
        )
        random = self._seed.random(Topic.BANKING)
        paid = [row for row in invoices if row.type == "SALES_INVOICE" and row.status == "PAID"]
        days = sorted(row.due + int(random.random() * _LATEST_DELAY_DAYS) for row in paid)
        self.reference_payments.fill(
            [self._shift + _FIRST_REFERENCE_PAYMENT + 3 * at for at in range(len(paid))],
            [0] * len(paid),
            days,
            [row.id for row in paid],
        )

    def write_statement(self, row: StatementRow) -> Document:
        """Write the bank statement of a row."""
        random = self._seed.random(Topic.BANKING, row.number, row.revision)
        count = int(random.random() * 5)
        events = [self._event(random, row, at) for at in range(count)]
        if events and happens(random, 0.3):
            # A bulk payment: what it consists of is inside it.
            events[0]["event"] = [
                self._event(random, row, at) for at in range(count, count + 1 + count // 2)
            ]
        sums = [event["sum"] for event in events]
        deposits = [amount for amount in sums if amount > 0]
        withdrawals = [amount for amount in sums if amount <= 0]
        balance = euros(int(random.random() * 10_000_000))
        statement: Document = {
            "id": row.id,
            "accountNumber": IBANS[row.number % 2],
            "startDate": date_text(row.date),
            "endDate": date_text(row.date),
            "currency": "EUR",
            "numberOfDeposits": len(deposits),
            "depositSum": sum(deposits, euros(0)),
            "numberOfWithdrawals": len(withdrawals),
            "withdrawalSum": sum(withdrawals, euros(0)),
            "startBalance": balance,
            "endBalance": balance + sum(sums),
            "statementNumber": 1 + row.number % 365,
            "events": events,
        }
        if happens(random, 0.05):
            statement["imported"] = {"by": "WS-kanava", "share": Decimal("1.0")}
        return statement

    def event_ids(self, row: StatementRow) -> list[int]:
        """Return the ids of a statement's events, nested ones too."""
        events = self.write_statement(row)["events"]
        return [one["id"] for event in events for one in (event, *event.get("event", ()))]

    def write_reference_payment(self, row: ReferencePaymentRow) -> Document:
        """Write the reference payment of a row."""
        random = self._seed.random(Topic.BANKING, row.id, row.revision)
        amount = euros(100 + int(random.random() * 300_000))
        is_allocated = happens(random, 0.8)
        return {
            "id": row.id,
            "accountNumber": IBANS[0],
            "valueDate": date_text(row.date),
            "paymentDate": None if happens(random, 0.1) else date_text(row.date - 1),
            "sum": amount,
            "name": random.choice(COMPANY_NAMES),
            "bankReference": f"{row.invoice}4",
            "archiveId": f"20{row.id:018}",
            "allocated": is_allocated,
            "invoiceId": row.invoice if is_allocated else None,
            "attachments": attachments(
                self._seed, Owner.REFERENCE_PAYMENT, row.id, "REFERENCE_PAYMENT"
            ),
            "allocationMetadataRows": [_allocation(row.id, amount)] if is_allocated else [],
        }

    def _event(self, random: Random, row: StatementRow, at: int) -> Document:
        number = self._shift + _FIRST_EVENT + row.number * _EVENTS_PER_STATEMENT + at
        amount = euros(int((random.random() - 0.4) * 1_000_000))
        event: Document = {
            "id": number,
            "payDate": date_text(row.date - 1),
            "valueDate": date_text(row.date),
            "sum": amount,
            "accountNumber": random.choice(IBANS),
            "name": random.choice(COMPANY_NAMES),
            "explanationCode": random.choice((700, 705, 710, None)),
            "archiveCode": f"{number:018}A",
            "message": random.choice(NOTES),
            "reference": None if happens(random, 0.5) else f"{number}2",
            "allocated": happens(random, 0.7),
            "invoiceId": None,
            "productId": None,
            "endToEndId": None,
            "attachments": attachments(
                self._seed, Owner.BANK_STATEMENT_EVENT, number, "BANKSTATEMENTEVENT"
            ),
            "allocationMetadataRows": [_allocation(number, amount)],
        }
        if happens(random, 0.1):
            event["counterpartyCategory"] = 'Muu "ulkomaa"'
        return event


def _account(row: BankAccountRow) -> Document:
    return {
        "id": row.id,
        "accountNumber": row.iban[4:],
        "iban": row.iban,
        "bic": "OKOYFIHH",
        "bankName": "Säästöpankki Ö",
        "currency": "EUR",
        "defaultForInvoice": row.order == 1,
        "defaultForPayment": row.order == 1,
        "status": "ACTIVE" if row.active else "INACTIVE",
        "orderNo": row.order,
        "associatedAccounts": [{"type": "BANKGIRO", "accountNumber": "123-4567"}],
        "version": time_text(1_700_000_000 + row.id),
        "bankAddress": None,
        "ledgerAccount": "1910",
        "bankingCode": "",
        "serviceNumbers": ["0100"],
        "showAccountOnInvoice": row.active,
        "allowPayments": row.active,
        "allowForeignPayments": False,
        "allowSalaryPayments": True,
        "allowExpressPayments": False,
        "withholdingTax": False,
        "created": time_text(1_600_000_000 + row.id),
    }


def _allocation(number: int, amount: Decimal) -> Document:
    return {
        "id": number,
        "vatPercentage": Decimal("25.50"),
        "sum": amount,
        "vatStatus": 1,
        "comment": None,
        "ledgerAccount": {
            "ledgerAccountCode": "1701",
            "name": "Myyntisaamiset",
            "active": True,
            "translations": [{"languageCode": "en", "translation": "Trade receivables"}],
        },
    }
