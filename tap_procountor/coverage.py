"""Which streams read which resource of the API, and why some resources have none.

What is read follows from the streams' declarations. A test compares it, together with the reasons
given here, with the specification: a new version of the API shows what is missing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tap_procountor.records.schema import SPECIFICATION
from tap_procountor.streams.registry import STREAM_TYPES

if TYPE_CHECKING:
    from tap_procountor.streams.base.stream import ProcountorStream

#: What the tap asks for its own purposes.
READ_BY_THE_TAP = {
    "/sessioninfo": "Asked when a run begins: it tells which company a key opens.",
    "/status": "Asked when a run begins: it tells the version of the API and its faults.",
    "/users/rights": "Asked when a run begins: without it, hidden rows could not be told.",
}

_LIST_IS_COMPLETE = "One of what its list already gives in full."
_ITEMS_ARE_KNOWN = (
    "Its list gives the items and percentages; names and status of the items are in "
    "`dimension_items`."
)
_FOR_VENDORS = "For vendors who offer an integration: who has activated it. Not a company's data."

#: Why no stream reads a resource.
NOT_READ = {
    "/businesspartners/groups/{id}": _LIST_IS_COMPLETE,
    "/businesspartners/personaldetails": (
        "The key's user as a person, with fields that `persons` and `users` have; a technical user "
        "has none."
    ),
    "/businesspartners/{id}/defaults/dimensions/{dimensionId}": _ITEMS_ARE_KNOWN,
    "/currencies/exchangerate": (
        "Looks up the rate of one day for one pair of currencies; there is no list of them. "
        "Documents hold the rates that they were posted with."
    ),
    "/dimensions/{dimensionId}": _LIST_IS_COMPLETE,
    "/integrations/{integrationId}/customers": _FOR_VENDORS,
    "/integrations/{requestId}": _FOR_VENDORS,
    "/invoices/{invoiceId}/comments/taggableusers": "Only for writing comments.",
    "/invoices/{invoiceId}/comments/{commentId}": _LIST_IS_COMPLETE,
    "/invoices/{invoiceId}/paymentevents/{paymentEventId}": _LIST_IS_COMPLETE,
    "/invoices/{invoiceId}/transactions": "`/invoices/transactions` gives them for 200 invoices.",
    "/mfatransactionresult/{transactionIdentifier}": "Only for confirming payments.",
    "/payments/paymentevents": (
        "By its model the payments of invoices, which are in `payments`; the events are in "
        "`invoice_payment_events`."
    ),
    "/payrolls/employees/{id}/salaryinfo/employments/{employmentId}": _LIST_IS_COMPLETE,
    "/payrolls/employees/{id}/salaryinfo/laborunionmemberships/{laborUnionMembershipId}": (
        _LIST_IS_COMPLETE
    ),
    "/payrolls/employees/{id}/salaryinfo/taxcards/{taxCardId}": _LIST_IS_COMPLETE,
    "/persons/{id}/defaults/dimensions/{dimensionId}": _ITEMS_ARE_KNOWN,
    "/products/groups/{groupId}": _LIST_IS_COMPLETE,
    "/products/{productId}": _LIST_IS_COMPLETE,
    "/products/{productId}/defaults/dimensions/{dimensionId}": _ITEMS_ARE_KNOWN,
    "/users/profiles/{userId}": (
        "The name of a user whose id is known; there is no list of users. The key's own user is in "
        "`users`, those who check invoices in `verifier_lists` and `circulation_settings`."
    ),
    "/vats/country": (
        "Looks up the percentages of any country by its code; those of the company's countries are "
        "in `vat_percentages`."
    ),
}


def readers() -> dict[str, list[type[ProcountorStream]]]:
    """Return the streams that read each path of the specification, in its order.

    Raises:
        LookupError: If a stream reads a path that the specification does not have.
    """
    found: dict[str, list[type[ProcountorStream]]] = {
        path: [] for path in SPECIFICATION.spec["paths"]
    }
    spelt = {_without_names(path): path for path in found}
    for stream in STREAM_TYPES:
        for path in stream.paths():
            found[spelt[_without_names(path)]].append(stream)
    return found


def _without_names(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path)
