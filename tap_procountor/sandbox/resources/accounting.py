"""Journals, value added tax and currencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.sandbox.books.collection import Order
from tap_procountor.sandbox.books.rates import RATE_TYPES, currencies, latest_rates
from tap_procountor.sandbox.books.settings import VAT_SETTINGS
from tap_procountor.sandbox.errors import ApiError

from .declarations import Call, Register, Single, but, equal, since, until

if TYPE_CHECKING:
    from tap_procountor.sandbox.books.collection import Condition, Json

_BAD_REQUEST = 400
_JOURNAL_FILTERS = {
    "statuses": equal("status"),
    "startDate": since("date"),
    "endDate": until("date"),
    "createdStartDate": since("created"),
    "createdEndDate": until("created"),
    "versionStartDate": since("version"),
    "versionEndDate": until("version"),
}


def _journals(call: Call) -> Json:
    """Answer all journals at once, in no particular order."""
    rows = call.company.books.journals.rows
    conditions: set[Condition | None] = {
        _JOURNAL_FILTERS[name](value) for name, value in call.query.items()
    }
    if not call.company.rights.allows("accounting.personalJournalReceiptsOnly"):
        # The user of the key has entered nothing itself.
        conditions.add(but("status", *{row.status for row in rows}))
    found = rows.select(frozenset(filter(None, conditions)), Order("version", descending=True))
    return [rows.document(rows.row_at(at)) for at in found]


def _latest_rates(call: Call) -> Json:
    rate_type = call.query.get("rateType", RATE_TYPES[0])
    if rate_type not in RATE_TYPES:
        raise ApiError(_BAD_REQUEST, "No such type of rate", "rateType")
    books = call.company.books
    return latest_rates(books.seed, books.company["companyCurrency"], rate_type)


REGISTERS: tuple[Register, ...] = ()

SINGLES = (
    Single("/journals", _journals, ("accounting.journalReceiptSearch",)),
    Single("/vats/default", lambda call: call.company.books.vat_information),
    Single("/vats/settings", lambda _: VAT_SETTINGS),
    Single("/currencies", lambda _: {"currencies": currencies()}),
    Single(
        "/currencies/company",
        lambda call: {"companyCurrency": call.company.books.company["companyCurrency"]},
    ),
    Single("/currencies/latest", _latest_rates),
)
