"""Invoices of all kinds, orders and offers included."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from .attachments import Owner, attachments
from .collection import WRITTEN_KEPT, Collection, Document
from .lines import Line, Sums, make_lines, sums
from .money import euros
from .partners import CHANNELS, Partners
from .randomness import Seed, Topic, happens
from .times import SECONDS_PER_DAY, date_text, time_text, to_seconds
from .words import NOTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from .products import Products

TYPES = (
    "SALES_INVOICE",
    "PURCHASE_INVOICE",
    "SALES_ORDER",
    "PURCHASE_ORDER",
    "TRAVEL_INVOICE",
    "BILL_OF_CHARGES",
    "PERIODIC_TAX_RETURN",
)
_WEIGHTS = (45, 38, 5, 3, 4, 4, 1)
ORDERS = frozenset({"SALES_ORDER", "PURCHASE_ORDER"})
"""These are no business transactions, so the ledger has no receipt of them."""

UNKNOWN_STATUS = "WAITING_FOR_COUNTERSIGNATURE"
"""A status that the specification does not name."""

_STATUSES = {
    "SALES_INVOICE": ("UNFINISHED", "SENT", "PAID", "PAID", "PAID", "PARTLY_PAID", "INVALIDATED"),
    "PURCHASE_INVOICE": ("RECEIVED", "VERIFIED", "APPROVED", "PAID", "PAID", "MARKED_PAID"),
    "PERIODIC_TAX_RETURN": ("APPROVED", "PAID"),
}
_OTHER_STATUSES = ("UNFINISHED", "APPROVED", "INVOICED", "INVALIDATED", UNKNOWN_STATUS)

_LINE_TYPES = {"SALES_INVOICE": "SALES", "SALES_ORDER": "SALES", "TRAVEL_INVOICE": "TRAVEL"}

_ROW_IDS_PER_INVOICE = 16
_MOST_ROWS = 15
_TAX_RETURN_CENTS = 500_000
_TERM_DAYS = 14
_SECONDS_PER_HOUR = 3600
_LATEST_EDIT = 200 * SECONDS_PER_DAY

_IMPORT = to_seconds(datetime(2025, 3, 14, 12, 0, 7))  # noqa: DTZ001
"""A mass import gave many documents the same version."""

_REPEATED_HOUR = to_seconds(datetime(2024, 10, 27, 3, 0, 0))  # noqa: DTZ001
"""When the clocks went back, this hour came twice."""


class InvoiceRow(NamedTuple):
    """What the books remember of an invoice."""

    id: int
    revision: int
    type: str
    status: str
    offer: bool
    date: int
    due: int
    created: int
    version: int
    partner: int
    receipt: int
    number: int

    @property
    def has_receipt(self) -> bool:
        """Whether the ledger has a receipt of it."""
        return self.type not in ORDERS and self.status != "INVALIDATED"


class Invoices:
    """The invoices of a company."""

    def __init__(self, seed: Seed, partners: Partners, products: Products) -> None:
        self._seed = seed
        self._partners = partners
        self._lines = make_lines(seed, products)
        # The list, the details and the truth show the same invoice one after the other.
        self.rows = Collection(InvoiceRow, lru_cache(WRITTEN_KEPT)(self.write))

    def fill(self, ids: list[int], created: list[int], end: int) -> None:
        """Make the invoices with these ids and times of creation, without receipts for now."""
        count = len(ids)
        random = self._seed.random(Topic.INVOICES)
        types = [*TYPES, "SALES_ORDER", *random.choices(TYPES, _WEIGHTS, k=count)][:count]
        offers = [kind == "SALES_ORDER" and happens(random, 0.5) for kind in types]
        if count > len(TYPES):
            offers[len(TYPES)] = True
        dates = [moment // SECONDS_PER_DAY for moment in created]
        self.rows.fill(
            ids,
            [0] * count,
            types,
            [random.choice(_STATUSES.get(kind, _OTHER_STATUSES)) for kind in types],
            offers,
            dates,
            [day + _TERM_DAYS for day in dates],
            created,
            [_version(random, moment, end) for moment in created],
            [random.choice(self._candidates(kind)) for kind in types],
            [0] * count,
            range(1001, 1001 + count),
        )

    def link(self, receipts: dict[int, int]) -> None:
        """Set the receipt ids, given by invoice id."""
        self.rows.set_column("receipt", [receipts.get(number, 0) for number in self.rows.ids])

    def lines(self, row: InvoiceRow) -> list[Line]:
        """Return the lines of an invoice."""
        if row.type == "PERIODIC_TAX_RETURN":
            return []
        random = self._seed.random(Topic.INVOICE_LINES, row.id, row.revision)
        count = 3 + int(random.random() * (_MOST_ROWS - 2))
        return random.choices(self._lines[_LINE_TYPES.get(row.type, "PURCHASE")], k=count)

    def sums(self, row: InvoiceRow) -> Sums:
        """Return the amounts of an invoice."""
        return self._sums(row, self.lines(row))

    def write(self, row: InvoiceRow) -> Document:
        """Write the invoice of a row, with the fields that only lists show."""
        random = self._seed.random(Topic.INVOICE, row.id, row.revision)
        lines = self.lines(row)
        amounts = self._sums(row, lines)
        counterparty = self._partners.counterparty(row.partner)
        address = counterparty["counterPartyAddress"]
        first_row = row.id * _ROW_IDS_PER_INVOICE
        due = date_text(row.due)
        invoice: Document = {
            "id": row.id,
            "partnerId": row.partner,
            "type": row.type,
            "status": row.status,
            "date": date_text(row.date),
            "dueDate": due,
            "newDueDate": None,
            "created": time_text(row.created),
            "counterParty": counterparty,
            "billingAddress": address,
            "deliveryAddress": None,
            "paymentInfo": {
                "paymentMethod": "BANK_TRANSFER",
                "currency": "EUR",
                "bankAccount": counterparty["bankAccount"],
                "dueDate": due,
                "currencyRate": _ONE_EURO,
                "bankReferenceCode": f"{row.number}4",
                "bankReferenceCodeType": "FI",
            },
            "extraInfo": _EXTRA_INFO,
            "discountPercent": _NO_DISCOUNT,
            "orderReference": None,
            "invoiceRows": [{"id": first_row + at, **line.fields} for at, line in enumerate(lines)],
            "invoiceNumber": row.number,
            "vatStatus": 1,
            "originalInvoiceNumber": f"A-{row.number}/{row.id % 7}",
            "invoiceChannel": random.choice(CHANNELS),
            "penaltyPercent": _PENALTY,
            "language": "FINNISH",
            "additionalInformation": random.choice(NOTES),
            "ledgerReceiptId": row.receipt or None,
            "notes": random.choice(NOTES),
            "sum": euros(amounts.gross),
            "attachments": attachments(self._seed, Owner.INVOICE, row.id, "INVOICE"),
            "version": time_text(row.version),
            "invoiceSumInfo": [
                {
                    "currency": "EUR",
                    "inAccountingCurrency": True,
                    "excludingVatTotal": euros(amounts.net),
                    "vatSumTotal": euros(amounts.vat),
                    "invoiceSumTotal": euros(amounts.gross),
                }
            ],
            "creatorId": 502,
            "isOffer": row.offer,
        }
        _add_rarities(invoice, row, random)
        return invoice

    def _sums(self, row: InvoiceRow, lines: list[Line]) -> Sums:
        if row.type != "PERIODIC_TAX_RETURN":
            return sums(lines)
        random = self._seed.random(Topic.INVOICE_LINES, row.id, row.revision)
        amount = int(random.random() * _TAX_RETURN_CENTS)
        return Sums(amount, 0, {}, {})

    def _candidates(self, kind: str) -> list[int]:
        if kind.startswith("SALES"):
            return self._partners.customers
        if kind in {"TRAVEL_INVOICE", "BILL_OF_CHARGES"}:
            return self._partners.people
        return self._partners.suppliers


_ONE_EURO = Decimal("1.0000000000")
_NO_DISCOUNT = Decimal("0.0000")
_PENALTY = Decimal("8.00")
_EXTRA_INFO = {"accountingByRow": False, "unitPricesIncludeVat": False}

_RARITIES: tuple[tuple[float, Callable[[InvoiceRow], Document]], ...] = (
    (0.2, lambda row: {"deliveryMethod": "MAILING", "deliverySite": f"Laituri {row.id % 9} Å"}),
    (0.1, lambda row: {"orderNumber": f"PO {row.id}", "agreementNumber": None}),
    (0.1, lambda row: {"paymentDate": date_text(row.due)}),
    (0.05, lambda row: {"newDueDate": date_text(row.due + 30)}),
    (0.05, lambda _: {"discountPercent": Decimal("-0.00")}),
    (0.05, lambda _: {"handling": {"robot": True, "confidence": Decimal("0.9950")}}),
    (0.02, lambda _: {"archiveClass": "ÄÖ-7"}),
)
"""Fields that some invoices have, the last two unknown to the specification."""


def _add_rarities(invoice: Document, row: InvoiceRow, random: Random) -> None:
    for chance, fields in _RARITIES:
        if happens(random, chance):
            invoice.update(fields(row))
    if row.type == "TRAVEL_INVOICE":
        invoice["travelInformationItems"] = [
            {"departure": "Oulu", "arrival": "Åbo", "places": "Äänekoski", "purpose": "Messut"}
        ]


def _version(random: Random, created: int, end: int) -> int:
    if created < _IMPORT and happens(random, 0.02):
        return _IMPORT
    if created < _REPEATED_HOUR and happens(random, 0.02):
        return _REPEATED_HOUR + int(random.random() * _SECONDS_PER_HOUR)
    if happens(random, 0.5):
        return created
    return min(end, created + int(random.random() ** 3 * _LATEST_EDIT))
