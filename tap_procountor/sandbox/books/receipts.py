"""Ledger receipts: of the invoices, and of everything else that makes entries."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from . import accounts
from .attachments import Owner, attachments
from .collection import WRITTEN_KEPT, Collection, Document
from .money import euros
from .products import VAT_RATES
from .randomness import Seed, Topic, growing_ids, happens
from .times import SECONDS_PER_DAY, date_text, time_text
from .words import NOTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from .invoices import InvoiceRow, Invoices

_OTHER_ACCOUNTS = {
    "JOURNAL": ("7800", "4410", accounts.EQUITY),
    "SALARY": (accounts.SALARIES, accounts.WITHHOLDING, accounts.SALARIES_PAYABLE),
    "BANK_STATEMENT_AS_RECEIPT": (accounts.BANK, accounts.RECEIVABLES, accounts.PAYABLES),
    "REFERENCE_PAYMENT": (accounts.BANK, accounts.RECEIVABLES),
    "VAT_SUMMARY": (accounts.VAT_PAYABLES, accounts.VAT_RECEIVABLES, accounts.VAT_ACCRUAL),
    "RECEIPT_FOR_OPENING_ACCOUNTS": (accounts.BANK, accounts.PAYABLES, accounts.EQUITY),
    "TRACKING_PERIOD_OPENING_RECEIPT": (accounts.BANK, accounts.RECEIVABLES, accounts.EQUITY),
}
"""The accounts of the receipts that have no invoice; the last one balances the others."""

_MONTHLY = (
    "SALARY",
    "SALARY",
    "BANK_STATEMENT_AS_RECEIPT",
    "REFERENCE_PAYMENT",
    "VAT_SUMMARY",
    "TRACKING_PERIOD_OPENING_RECEIPT",
)
_WITHOUT_STATUS = frozenset({"RECEIPT_FOR_OPENING_ACCOUNTS", "TRACKING_PERIOD_OPENING_RECEIPT"})
_COUNTER_ACCOUNTS = {
    "SALES_INVOICE": (1, accounts.RECEIVABLES, accounts.VAT_PAYABLES),
    "PERIODIC_TAX_RETURN": (-1, accounts.TAX_ACCOUNT, accounts.VAT_ACCRUAL),
}
"""Sign of the sum and accounts of sum and VAT; purchases and claims are like each other."""

_PURCHASE = (-1, accounts.PAYABLES, accounts.VAT_RECEIVABLES)
_TRANSACTION_IDS_PER_RECEIPT = 32
_DAYS_PER_MONTH = 30
_LATEST_CHANGE = 100 * SECONDS_PER_DAY
_MONTHS_PER_YEAR = 12
_MINUS_NOTHING = Decimal("-0.00")


class ReceiptRow(NamedTuple):
    """What the books remember of a ledger receipt."""

    id: int
    revision: int
    type: str
    status: str
    document: int
    date: int
    created: int
    version: int
    number: int


class Receipts:
    """The ledger receipts of a company."""

    def __init__(self, seed: Seed, invoices: Invoices, dimensions: list[Document]) -> None:
        self._seed = seed
        self._invoices = invoices
        self._dimensions = [
            (dimension["id"], [item["id"] for item in dimension["items"]])
            for dimension in dimensions
            if dimension["items"]
        ]
        self._write_with = lru_cache(WRITTEN_KEPT)(self._written)
        self.rows = Collection(ReceiptRow, self.write, self.write_head)

    def fill(self, first_id: int, journals: list[tuple[int, int]], start: int, end: int) -> None:
        """Make the receipts of invoices and journals, and those of every month."""
        plans = [
            (row.version, row.type, row.status, row.id, row.date)
            for row in self._invoices.rows
            if row.has_receipt
        ]
        plans += [
            (created, "JOURNAL", "APPROVED", number, created // SECONDS_PER_DAY)
            for created, number in journals
        ]
        plans += _monthly_receipts(start, end)
        plans.sort()
        count = len(plans)
        ids = growing_ids(self._seed._replace(company=0).random(Topic.IDS, 1), first_id, count)
        created, types, statuses, documents, dates = zip(*plans, strict=True)
        random = self._seed.random(Topic.RECEIPTS)
        # Allocations and checks change some receipts later, without making others.
        versions = [
            min(end, moment + int(random.random() * _LATEST_CHANGE))
            if happens(random, 0.2)
            else moment
            for moment in created
        ]
        numbers = range(1, count + 1)
        self.rows.fill(
            ids, [0] * count, types, statuses, documents, dates, created, versions, numbers
        )
        self._invoices.link(dict(zip(documents, ids, strict=True)))

    def write_head(self, row: ReceiptRow) -> Document:
        """Write what lists show of a receipt; its transactions are the dear part."""
        invoice = self._invoice(row)
        head: Document = {
            "id": row.id,
            "type": row.type,
            "status": row.status,
            "name": f"Tosite {row.number}, {row.type.replace('_', ' ').lower()}",
            "receiptDate": date_text(row.date),
            "receiptNumber": row.number,
            "invoiceNumber": invoice.number if invoice else None,
            "serialNumber": {"series": "A", "number": row.number},
            "created": time_text(row.created),
            "version": time_text(row.version),
        }
        if row.type in _WITHOUT_STATUS:
            del head["status"]
        return head

    def write(self, row: ReceiptRow) -> Document:
        """Write the receipt of a row, with the fields that only lists show."""
        return self._write_with(row, self._invoice(row))

    def _written(self, row: ReceiptRow, invoice: InvoiceRow | None) -> Document:
        random = self._seed.random(Topic.RECEIPT, row.id)
        receipt = self.write_head(row) | {
            "vatType": "SALES" if row.type == "SALES_INVOICE" else "PURCHASE",
            "vatStatus": 1,
            "vatProcessing": "FINLAND",
            "invoiceId": row.document or None,
            "invoiceNotes": random.choice(NOTES),
            "receiptValidity": "EMPTY",
            "depreciation": "EMPTY",
            "vatDate": date_text(row.date),
            "transactions": self._transactions(row, invoice, random),
            "attachments": self._attachments(row),
        }
        if invoice:
            receipt["partnerId"] = invoice.partner
        if happens(random, 0.05):
            receipt["posting"] = {"automatic": True, "rule": 'Sääntö "A"'}
        return receipt

    def _invoice(self, row: ReceiptRow) -> InvoiceRow | None:
        has_invoice = row.document and row.type != "JOURNAL"
        return self._invoices.rows.row(row.document) if has_invoice else None

    def _entries(self, row: ReceiptRow, invoice: InvoiceRow | None) -> Iterator[Entry]:
        if invoice:
            return self._invoice_entries(invoice)
        return _other_entries(row.type, self._seed.random(Topic.RECEIPT_AMOUNTS, row.id))

    def _invoice_entries(self, invoice: InvoiceRow) -> Iterator[Entry]:
        amounts = self._invoices.sums(invoice)
        sign, account, vat_account = _COUNTER_ACCOUNTS.get(invoice.type, _PURCHASE)
        yield Entry(account, sign * amounts.gross, kind="RECONCILIATION_ENTRY")
        if not amounts.by_account:
            yield Entry(vat_account, -sign * amounts.gross)
        for (revenue_account, rate), net in amounts.by_account.items():
            yield Entry(revenue_account, -sign * net, rate)
        for rate, vat in amounts.by_rate.items():
            yield Entry(vat_account, -sign * vat, rate)

    def _transactions(
        self, row: ReceiptRow, invoice: InvoiceRow | None, random: Random
    ) -> list[Document]:
        # Editing the dimensions makes another revision, which changes nothing else.
        choices = self._seed.random(Topic.RECEIPT_DIMENSIONS, row.id, row.revision)
        first = row.id * _TRANSACTION_IDS_PER_RECEIPT
        vat_type = "SALES" if row.type == "SALES_INVOICE" else "PURCHASE"
        transactions = []
        for at, entry in enumerate(self._entries(row, invoice)):
            transaction: Document = {
                "id": first + at,
                "transactionType": entry.kind,
                "account": entry.account,
                "accountingValue": euros(entry.cents) if entry.cents else _MINUS_NOTHING,
                "vatStatus": 1,
                "description": f"Tosite {row.number} / {entry.account}",
                "balanceCode": None,
                "allocations": [],
                "dimensionItemValues": self._dimension_values(entry, choices),
            }
            if entry.rate is not None:
                transaction["vatPercent"] = _RATES[entry.rate]
                transaction["vatType"] = vat_type
                transaction["vatDeductionPercent"] = _FULL_DEDUCTION
            if happens(random, 0.02):
                transaction["suggestedBy"] = _SUGGESTION
            transactions.append(transaction)
        return transactions

    def _dimension_values(self, entry: Entry, random: Random) -> list[Document]:
        if entry.account < _FIRST_RESULT_ACCOUNT:
            return []
        values = []
        for dimension, items in self._dimensions:
            if happens(random, 0.5):
                continue
            chosen = int(random.random() * len(items))
            part = entry.cents // 3 if happens(random, 0.1) else 0
            # Now and then an item comes twice or three times, each time with a part of the amount.
            times = random.choice((2, 3)) if happens(random, 0.04) else 1
            item = {"dimensionId": dimension, "itemId": items[chosen]}
            values += [item | {"value": amount} for amount in _split(entry.cents - part, times)]
            if part:
                other = {"dimensionId": dimension, "itemId": items[chosen - 1]}
                values.append(other | {"value": euros(part)})
        return values

    def _attachments(self, row: ReceiptRow) -> list[Document]:
        # Files of a journal refer to it as an invoice; those of an invoice are in the invoice.
        if row.type == "JOURNAL":
            return attachments(self._seed, Owner.INVOICE, row.document, "INVOICE")
        if row.document:
            return []
        return attachments(self._seed, Owner.RECEIPT, row.id, "LEDGERRECEIPT")


_FULL_DEDUCTION = Decimal("100.00")
_RATES = {rate: Decimal(rate).scaleb(-1) for rate in VAT_RATES}
_SUGGESTION = {"model": "tiliöijä", "certainty": Decimal("0.970")}
_FIRST_RESULT_ACCOUNT = "3000"


class Entry(NamedTuple):
    """One transaction: an amount on an account."""

    account: str
    cents: int
    rate: int | None = None
    kind: str = "ENTRY"


def _split(cents: int, parts: int) -> list[Decimal]:
    """Divide an amount; the last part takes what the division leaves."""
    each = cents // parts
    return [euros(amount) for amount in (*[each] * (parts - 1), cents - each * (parts - 1))]


def _other_entries(kind: str, random: Random) -> Iterator[Entry]:
    *others, last = _OTHER_ACCOUNTS[kind]
    total = 0
    for account in others:
        cents = int((random.random() - 0.4) * 1_000_000)
        total += cents
        yield Entry(account, cents)
    yield Entry(last, -total)


def _monthly_receipts(start: int, end: int) -> Iterator[tuple[int, str, str, int, int]]:
    month = _DAYS_PER_MONTH * SECONDS_PER_DAY
    for at, moment in enumerate(range(start, end, month)):
        yearly = ["RECEIPT_FOR_OPENING_ACCOUNTS"] if at % _MONTHS_PER_YEAR == 0 else []
        for kind in (*_MONTHLY, *yearly):
            status = "" if kind in _WITHOUT_STATUS else "APPROVED"
            yield moment, kind, status, 0, moment // SECONDS_PER_DAY
