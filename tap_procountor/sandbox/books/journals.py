"""Journals: receipts that people enter by hand, also those that are not in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .collection import Collection, Document
from .randomness import Seed, Topic, happens
from .times import date_text, time_text
from .words import FIRST_NAMES, LAST_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .receipts import ReceiptRow

_STATUSES_OUTSIDE = ("UNFINISHED", "INVALIDATED", "WAITING_FOR_COUNTERSIGNATURE")
"""What is not in the ledger; the specification does not know the last one."""


class JournalRow(NamedTuple):
    """What the books remember of a journal."""

    id: int
    revision: int
    status: str
    receipt: int
    date: int
    created: int
    version: int
    number: int


class Journals:
    """The journals of a company."""

    def __init__(self, seed: Seed) -> None:
        self._seed = seed
        self.rows = Collection(JournalRow, self.write)

    def fill(self, receipts: Iterable[ReceiptRow], last_id: int) -> int:
        """Make the journals of the receipts, and some that have none; return the last id."""
        posted = [
            JournalRow(
                id=receipt.document,
                revision=0,
                status=receipt.status,
                receipt=receipt.id,
                date=receipt.date,
                created=receipt.created,
                version=receipt.version,
                number=receipt.number,
            )
            for receipt in receipts
            if receipt.type == "JOURNAL"
        ]
        outside = [
            example._replace(
                id=last_id + 1 + at,
                status=_STATUSES_OUTSIDE[at % len(_STATUSES_OUTSIDE)],
                receipt=0,
            )
            for at, example in enumerate(posted[:: len(_STATUSES_OUTSIDE)])
        ]
        rows = sorted([*posted, *outside])
        if rows:
            self.rows.fill(*zip(*rows, strict=True))
        return last_id + len(outside)

    def write(self, row: JournalRow) -> Document:
        """Write the journal of a row."""
        random = self._seed.random(Topic.JOURNAL, row.id, row.revision)
        name = f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}"
        journal: Document = {
            "id": row.id,
            "ledgerReceiptId": row.receipt or None,
            "type": "JOURNAL",
            "status": row.status,
            "invoiceNumber": row.number,
            "date": date_text(row.date),
            "created": time_text(row.created),
            "version": time_text(row.version),
            "counterParty": None
            if happens(random, 0.5)
            else {"contactPersonName": name, "counterPartyAddress": {"name": name}},
        }
        if happens(random, 0.1):
            journal["posting"] = {"rule": "Jaksotus"}
        return journal
