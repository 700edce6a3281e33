"""Journals, value added tax and currencies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_procountor.sandbox.books.collection import Order
from tap_procountor.sandbox.books.rates import RATE_TYPES, currencies, latest_rates
from tap_procountor.sandbox.errors import ApiError

from .declarations import CREATED, DATES, NOTHING, VERSIONS, Call, Computed, Resource, equal

if TYPE_CHECKING:
    from tap_procountor.sandbox.books.collection import Json

_BAD_REQUEST = 400

RESOURCES = (
    Resource(
        "journals",
        path="/journals",
        data=lambda books: books.journals.rows,
        filters={"statuses": equal("status"), **DATES, **CREATED, **VERSIONS},
        # All come at once, in no particular order.
        order=Order("version", descending=True),
        is_array=True,
        rights=("accounting.journalReceiptSearch",),
        # The user of the key has entered nothing itself.
        hidden={"accounting.personalJournalReceiptsOnly": NOTHING},
    ),
    Resource("vat_information", path="/vats/default", data=lambda books: [books.vat_information]),
    Resource("vat_settings", path="/vats/settings"),
)


def _latest_rates(call: Call) -> Json:
    rate_type = call.query.get("rateType", RATE_TYPES[0])
    if rate_type not in RATE_TYPES:
        raise ApiError(_BAD_REQUEST, "No such type of rate", "rateType")
    books = call.company.books
    return latest_rates(books.seed, books.company["companyCurrency"], rate_type)


COMPUTED = (
    Computed("/currencies", lambda _: {"currencies": currencies()}),
    Computed(
        "/currencies/company",
        lambda call: {"companyCurrency": call.company.books.company["companyCurrency"]},
    ),
    Computed("/currencies/latest", _latest_rates),
)
