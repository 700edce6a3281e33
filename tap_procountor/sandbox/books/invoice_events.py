"""What happens to invoices: actions, payments of them, comments on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .money import euros
from .randomness import Seed, Topic, happens
from .times import SECONDS_PER_DAY, date_text, time_text
from .words import FIRST_NAMES, LAST_NAMES, NOTES

if TYPE_CHECKING:
    from .collection import Document
    from .invoices import InvoiceRow

DISCUSSED = ("PURCHASE_INVOICE", "TRAVEL_INVOICE", "BILL_OF_CHARGES")
"""The types of invoices that can be discussed."""

_ACTIONS = (
    "UNFINISHED",
    "VERIFICATION",
    "APPROVAL",
    "SENT_FOR_PAYMENT",
    "MARKED_PAID",
    "SUGGESTED_BY_ROBOT",
)
"""The last one is unknown to the specification."""

_EVENT_TYPES = ("BANKSTATEMENT", "REFERENCEPAYMENT_TO_INVOICE", "CREDITLOSS", "CASH")
_PER_INVOICE = 8
"""So few that neighbours share ids: they are unique only within their invoice."""
_INSTALMENTS = 430
_ONE_IN_MANY = 61


def actions(seed: Seed, row: InvoiceRow) -> list[Document]:
    """Return the log of an invoice; an edit adds to it."""
    random = seed.random(Topic.INVOICE_EVENTS, row.id)
    return [
        {
            "action": random.choice(_ACTIONS),
            "name": f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}",
            "date": time_text(row.created + at * SECONDS_PER_DAY),
            "details": random.choice((*NOTES, None)),
        }
        for at in range(int(random.random() * 5) + row.revision)
    ]


def payment_events(seed: Seed, row: InvoiceRow) -> list[Document]:
    """Return the payments of an invoice; a leasing contract now and then has very many."""
    random = seed.random(Topic.INVOICE_EVENTS, row.id, 1)
    count = int(random.random() * 4) + row.revision
    if row.type == "PURCHASE_INVOICE" and row.id % _ONE_IN_MANY == 0:
        count = _INSTALMENTS
    events = []
    for at in range(count):
        amount = euros(int((random.random() - 0.1) * 100_000))
        event: Document = {
            "id": row.id * _PER_INVOICE + at,
            "invoiceId": row.id,
            "type": random.choice(_EVENT_TYPES),
            "paymentDate": date_text(row.due + at),
            "status": random.choice(("PAID", "STARTED")),
            "amount": amount,
            "currency": "EUR",
            "description": random.choice(NOTES),
            "paidAmount": amount,
            "paidCurrency": None,
        }
        if happens(random, 0.05):
            event["matchedBy"] = "Täsmäytys"
        events.append(event)
    return events


def comments(seed: Seed, row: InvoiceRow) -> list[Document]:
    """Return the comments on an invoice."""
    if row.type not in DISCUSSED:
        return []
    random = seed.random(Topic.INVOICE_EVENTS, row.id, 2)
    return [
        {
            "id": row.id * _PER_INVOICE + at,
            "author": f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}",
            "dateTime": time_text(row.created + at * SECONDS_PER_DAY),
            "comment": random.choice(NOTES),
            "taggedUsersInfo": {"numTaggedUsers": at, "readByAllTaggedUsers": happens(random, 0.5)},
        }
        for at in range(int(random.random() * 3) + row.revision)
    ]
